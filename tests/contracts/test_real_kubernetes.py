"""The cluster of the tests: it runs pods, and leaves nothing behind."""

import subprocess
from pathlib import Path

import pytest

from adapters.kubernetes.cluster import Cluster
from adapters.kubernetes.namespace import Ceiling, prepare
from adapters.kubernetes.pod import is_running, pod_of
from application.ports import Job
from domain.execution import Limits
from tests.cluster.image import ROWS
from tests.real_kubernetes import IMAGES, SYSCTLS, RealKubernetes, running_kubernetes


def processes(folder: Path) -> list[str]:
    ps = subprocess.run(["ps", "-e", "-o", "stat=,args="], check=True, capture_output=True, text=True)
    return [line for line in ps.stdout.splitlines() if str(folder) in line and not line.startswith("Z")]


def outside() -> set[str]:
    """Everything that a node may leave outside of its folder."""
    links = subprocess.run(["ip", "-br", "link"], check=True, capture_output=True, text=True).stdout
    return {
        *Path("/proc/mounts").read_text().splitlines(),
        *(line.split("@")[0].split()[0] for line in links.splitlines()),
        *(str(found) for found in Path("/sys/fs/cgroup").glob("**/*") if found.name.startswith("rl")),
        *(str(found) for found in map(Path, ("/run/containerd", "/var/lib/kubelet")) if found.exists()),
        *(f"{name} = {(Path('/proc/sys') / name).read_text()}" for name in SYSCTLS),
    }


def test_a_cluster_runs_a_pod_and_leaves_nothing(tmp_path: Path):
    if missing := RealKubernetes.missing():
        pytest.skip(missing)
    before = outside()
    with running_kubernetes(tmp_path) as real:
        cluster = Cluster(real.kubeconfig(), "smoke")
        prepare(cluster, Ceiling())
        cluster.create_pod(pod_of(Job("sleeper", ROWS[0], b"", b"", Limits()), IMAGES[0]))
        assert any(is_running(pod) for pod in cluster.watch_pod("sleeper", 30))
        assert processes(tmp_path)
    assert processes(tmp_path) == []
    assert outside() - before == set(), "another cluster may end its pods at the same time"
    assert {left.suffix for left in tmp_path.iterdir()} <= {
        ".log",
        ".crt",
        ".key",
        ".pub",
        ".csv",
        ".sh",
        ".json",
        ".toml",
        ".kubeconfig",
    }
