"""What the bubblewrap adapter needs of its machine, and what it says when that is missing."""

import os
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from adapters.bubblewrap import BubblewrapSandbox, catalogue, cgroups, problems
from adapters.bubblewrap import keeper as keeper_module
from adapters.bubblewrap import sandbox as sandbox_module
from adapters.languages import ROWS
from adapters.supervisor import build as build_module
from adapters.supervisor.records import JobTooLarge
from application.ports.sandbox import Job, SandboxUnavailable
from domain.execution import Limits, Status
from tests.contracts.running import outcome, output

NOBODY = 65534


@pytest.fixture(scope="module", autouse=True)
def _programs():
    build_module.build()


@pytest.fixture
def public_folder(monkeypatch: pytest.MonkeyPatch):
    """Where a plain user can reach the programs and keep data."""
    folder = Path(tempfile.mkdtemp())
    for name in ("KEEPER", "SUPERVISOR"):
        program = Path(shutil.copy(getattr(build_module, name), folder))
        for module in (keeper_module, sandbox_module, problems):
            monkeypatch.setattr(module, name, program, raising=False)
    os.chown(folder, NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


def as_nobody(action: Callable[[], None]) -> None:
    """In a process of its own, which cannot come back to be root."""
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        try:
            action()
        except BaseException:  # noqa: BLE001  # it must not run the rest of the test session
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "see the captured output"


def job(script: bytes, **limits: float) -> Job:
    python = next(runtime for runtime in catalogue.installed() if runtime.language == "python")
    return Job(f"run-{uuid4()}-1", python, script, b"", Limits(**limits))


needs_root = pytest.mark.skipif(os.geteuid() != 0 and "CI" not in os.environ, reason="becomes another user")


@needs_root
def test_a_plain_user_without_a_cgroup_is_refused_unless_weak_sandboxes_are_allowed(public_folder: Path):
    def refused():
        sandbox = BubblewrapSandbox(public_folder)
        assert sandbox.find_problems() == [cgroups.NO_CGROUP]
        with pytest.raises(SandboxUnavailable, match="run as root"):
            sandbox.start(job(b"pass"))
        assert BubblewrapSandbox(public_folder, allow_weak=True).find_problems() == []

    as_nobody(refused)


@needs_root
def test_a_weak_sandbox_of_a_plain_user_runs_and_stops(public_folder: Path):
    def runs():
        sandbox = BubblewrapSandbox(public_folder, allow_weak=True)
        hello, endless = job(b"print('hello')"), job(b"import os, time; os.fork(); time.sleep(1000)")
        sandbox.start(hello)
        assert output(list(sandbox.watch(hello.sandbox))) == b"hello\n"
        sandbox.start(endless)
        before = time.monotonic()
        sandbox.stop(endless.sandbox)
        assert outcome(list(sandbox.watch(endless.sandbox))).status is Status.CANCELLED
        assert time.monotonic() - before < 1

    as_nobody(runs)


def test_a_missing_bwrap_is_said_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    wanted = job(b"pass")
    monkeypatch.setenv("PATH", str(tmp_path))
    sandbox = BubblewrapSandbox(tmp_path)
    assert any("apt-get install bubblewrap" in problem for problem in sandbox.find_problems())
    with pytest.raises(SandboxUnavailable, match="apt-get install bubblewrap"):
        sandbox.start(wanted)


def test_missing_programs_are_said_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for module in (sandbox_module, problems):
        monkeypatch.setattr(module, "KEEPER", tmp_path / "keeper")
    sandbox = BubblewrapSandbox(tmp_path)
    assert any("make setup" in problem for problem in sandbox.find_problems())
    with pytest.raises(SandboxUnavailable, match="make setup"):
        sandbox.start(job(b"pass"))


def test_limits_that_no_cgroup_takes_leave_nothing_behind(tmp_path: Path):
    sandbox = BubblewrapSandbox(tmp_path)
    impossible = job(b"pass", cpus=0.0001)
    with pytest.raises(SandboxUnavailable, match="cgroup"):
        sandbox.start(impossible)
    assert sandbox.list() == []
    assert not [found for parent in cgroups.find_cgroups().parents for found in parent.glob(f"*{impossible.sandbox}")]


def test_a_missing_language_is_said(tmp_path: Path):
    wanted = job(b"pass")
    runtime = msgspec.structs.replace(wanted.runtime, command=("python0.9",))
    with pytest.raises(SandboxUnavailable, match=r"python0\.9 is not installed"):
        BubblewrapSandbox(tmp_path).start(msgspec.structs.replace(wanted, runtime=runtime))


def test_a_job_that_is_too_large_is_refused(tmp_path: Path):
    with pytest.raises(JobTooLarge):
        BubblewrapSandbox(tmp_path).start(job(bytes(65 * 1024 * 1024)))


def test_every_row_of_the_catalogue_is_either_installed_or_says_why_not():
    installed, missing = catalogue.installed(), catalogue.missing()
    assert {*installed, *missing} == set(ROWS)
    assert not set(installed) & set(missing)
    assert all(reason.endswith(".") for reason in missing.values())


def test_the_programs_are_not_built_again_when_they_are_up_to_date():
    assert build_module.build() == []


def test_a_changed_source_is_built_again(tmp_path: Path):
    program = Path(shutil.copy2(build_module.SUPERVISOR, tmp_path))
    assert build_module.is_current(program, build_module.SOURCES)
    os.utime(program, (0, 0))
    assert not build_module.is_current(program, build_module.SOURCES)


def test_without_any_compiler_the_build_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(build_module.NoCompiler, match="ziglang"):
        build_module.find_compiler()
