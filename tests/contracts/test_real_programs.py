"""Programs that nobody here wrote run in every sandbox: Python's own tests of three of its modules."""

import subprocess
from pathlib import Path

import pytest

from adapters.bubblewrap import BubblewrapSandbox
from adapters.bubblewrap.catalogue import locate
from adapters.kubernetes import Ceiling, Cluster, KubernetesSandbox
from adapters.supervisor.build import build
from application.ports import STDERR, Job, Sandbox
from domain.execution import Limits, Status
from tests.cluster.image import ROWS, TESTS
from tests.cluster.namespaces import worker_of
from tests.contracts.sandbox import MIB, outcome, output
from tests.real_kubernetes import PLACE

PYTHON = ROWS[0]
ENOUGH = Limits(wall_seconds=240, cpus=2, memory_bytes=1024 * MIB, disk_bytes=256 * MIB, pids=64)
SCRIPT = "from test.libregrtest import main; main(['{name}'])"


@pytest.fixture(params=["bubblewrap", "kubernetes"])
def sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> Sandbox:
    build()
    if request.param == "bubblewrap":
        return BubblewrapSandbox(tmp_path / "data")
    kubeconfig = worker_of(request.getfixturevalue("real_kubernetes"), "programs", Ceiling())
    return KubernetesSandbox(Cluster(kubeconfig, "programs"), PLACE)


@pytest.mark.parametrize("name", TESTS)
def test_pythons_own_tests_of_a_module_pass(sandbox: Sandbox, name: str, tmp_path: Path):
    if not is_there(name):
        pytest.skip("libpython3.11-testsuite is not installed")
    run = f"run-{name.replace('_', '-')}-1"
    sandbox.start(Job(run, PYTHON, SCRIPT.format(name=name).encode(), b"", ENOUGH))
    frames = list(sandbox.watch(run))
    sandbox.remove(run)
    said = (output(frames) + output(frames, STDERR)).decode()
    assert outcome(frames).status is Status.SUCCEEDED, said
    assert "1 test OK." in said, "a module that is skipped is no success"


def is_there(name: str) -> bool:
    ask = [locate(PYTHON.command[0]).path, "-c", f"import test.{name}"]
    return subprocess.run(ask, check=False, capture_output=True).returncode == 0
