"""The cluster of the tests: it runs pods, and leaves nothing behind."""

import subprocess
from pathlib import Path

import pytest

from adapters.kubernetes.cluster import Cluster
from adapters.kubernetes.namespace import Ceiling, prepare
from adapters.kubernetes.pod import STATE, is_running, pod_of
from application.ports.sandbox import Job
from domain.execution import Limits
from tests.cluster.image import ROWS
from tests.cluster.outside import cgroups, kernel_settings, kernel_settings_kept
from tests.real_kubernetes import PLACE, RealKubernetes, running_kubernetes


def processes(folder: Path) -> list[str]:
    ps = subprocess.run(["ps", "-eww", "-o", "stat=,args="], check=True, capture_output=True, text=True)
    return [line for line in ps.stdout.splitlines() if str(folder) in line and not line.startswith("Z")]


def links() -> set[str]:
    said = subprocess.run(["ip", "-br", "link"], check=True, capture_output=True, text=True).stdout
    return {line.split("@")[0].split()[0] for line in said.splitlines()}


def left_outside(cluster: RealKubernetes) -> set[str]:
    """Of what a node may leave outside of its folder; another cluster may stand beside it."""
    return {
        *(line for line in Path("/proc/mounts").read_text().splitlines() if str(cluster.folder) in line),
        *(str(cgroup) for cgroup in cgroups(cluster.name) if cgroup.exists()),
        *({cluster.name} & links()),
        *(str(found) for found in map(Path, ("/run/containerd", "/var/lib/kubelet")) if found.exists()),
    }


def test_a_cluster_runs_a_pod_and_leaves_nothing(tmp_path: Path):
    if missing := RealKubernetes.missing():
        pytest.skip(missing)
    with running_kubernetes(tmp_path) as real:
        cluster = Cluster(real.kubeconfig(), "smoke")
        prepare(cluster, Ceiling())
        cluster.create_pod(pod_of(Job("sleeper", ROWS[0], b"", b"", Limits()), PLACE))
        assert any(is_running(event["object"]) for event in cluster.watch_pods(STATE, "0", 30))
        assert processes(tmp_path)
        assert left_outside(real) > {real.name}
    assert processes(tmp_path) == []
    assert left_outside(real) == set()
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


def test_the_last_of_two_clusters_sets_the_kernel_back(tmp_path: Path):
    if missing := RealKubernetes.missing():
        pytest.skip(missing)
    name = "kernel/keys/root_maxkeys"
    before = kernel_settings()[name]
    first, second = (kernel_settings_kept(tmp_path / "kept") for _ in range(2))
    first.__enter__()
    second.__enter__()
    (Path("/proc/sys") / name).write_text(str(int(before) + 1))
    first.__exit__(None, None, None)
    assert kernel_settings()[name] == f"{int(before) + 1}\n"
    second.__exit__(None, None, None)
    assert kernel_settings()[name] == before
