"""Programs that nobody here wrote run in every sandbox: Python's own tests of four of its modules."""

import base64
import io
import re
import subprocess
import zipfile
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.bubblewrap import BubblewrapSandbox
from adapters.bubblewrap.catalogue import locate
from adapters.kubernetes import Ceiling, Cluster, KubernetesSandbox
from adapters.supervisor.build import build
from application.ports.sandbox import STDERR, Job, Sandbox
from domain.execution import Limits, Status
from tests.cluster.image import ROWS, TESTS
from tests.cluster.namespaces import worker_of
from tests.contracts.running import MIB, outcome, output
from tests.real_kafka import CACHE
from tests.real_kubernetes import PLACE

PYTHON = ROWS[0]
ENOUGH = Limits(wall_seconds=240, cpus=2, memory_bytes=1024 * MIB, disk_bytes=256 * MIB, pids=64)
SCRIPT = "from test.libregrtest import main; main(['{name}'])"
SQLITE = CACHE / "runledger" / "python-3.11" / "test_sqlite3"
"""Debian's package does not have it: `.ci/testsuite` takes it from the source of the same Python."""
CARRIED = """
import base64, io, test, unittest, zipfile
zipfile.ZipFile(io.BytesIO(base64.b64decode({archive}))).extractall("carried")
test.__path__.append("carried")
unittest.main(module=None, argv=["", *{modules}])
"""


@pytest.fixture(params=["bubblewrap", "kubernetes"])
def sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> Sandbox:
    build()
    if request.param == "bubblewrap":
        return BubblewrapSandbox(tmp_path / "data")
    kubeconfig = worker_of(request.getfixturevalue("real_kubernetes"), "programs", Ceiling())
    return KubernetesSandbox(Cluster(kubeconfig, "programs"), PLACE)


@pytest.mark.parametrize("name", TESTS)
def test_pythons_own_tests_of_a_module_pass(sandbox: Sandbox, name: str):
    if not is_there(name):
        pytest.skip("libpython3.11-testsuite is not installed")
    assert "1 test OK." in said_by(sandbox, SCRIPT.format(name=name)), "a module that is skipped is no success"


def test_pythons_own_tests_of_sqlite_pass(sandbox: Sandbox):
    if not SQLITE.exists():
        pytest.skip(".ci/testsuite has not been run")
    said = said_by(sandbox, carrying(SQLITE))
    assert (ran := re.search(r"Ran (\d+) tests in .*\n\nOK", said)), said
    assert int(ran[1]) > 400


def carrying(folder: Path) -> str:
    """A script that unpacks these tests where it runs, and runs them."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.glob("*.py"):
            archive.write(file, f"{folder.name}/{file.name}")
    modules = [f"test.{folder.name}.{file.stem}" for file in sorted(folder.glob("test_*.py"))]
    return CARRIED.format(archive=base64.b64encode(written.getvalue()), modules=modules)


def said_by(sandbox: Sandbox, script: str) -> str:
    """What it writes, once it has ended well."""
    run = f"run-{uuid4()}-1"
    sandbox.start(Job(run, PYTHON, script.encode(), b"", ENOUGH))
    frames = list(sandbox.watch(run))
    sandbox.remove(run)
    said = (output(frames) + output(frames, STDERR)).decode()
    assert outcome(frames).status is Status.SUCCEEDED, said
    return said


def is_there(name: str) -> bool:
    ask = [locate(PYTHON.command[0]).path, "-c", f"import test.{name}"]
    return subprocess.run(ask, check=False, capture_output=True).returncode == 0
