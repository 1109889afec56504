"""An executor on a real log and this machine's sandbox: what cannot be started ends its run in words."""

import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from adapters.bubblewrap import BubblewrapSandbox
from adapters.bubblewrap import sandbox as sandbox_module
from adapters.bubblewrap.catalogue import installed
from adapters.bubblewrap.runtimes import LocalRuntimes
from adapters.mongo.commits.chunks import Chunks
from adapters.mongo.secrets.keyring import Keyring
from adapters.mongo.secrets.keys import DataKeys
from adapters.mongo.secrets.seals import MongoSeals
from adapters.supervisor.build import build
from application.backlog import Backlog
from application.executor import Executor
from application.orchestrator import sandbox_of
from application.ports.log import Context
from application.ports.sandbox import Frame, Output
from application.ports.work import Task, TaskKind
from domain.execution import Execution, Limits, Status
from tests.contracts.test_places import Clock
from tests.faults.processes import wait_until

OWNER = uuid4()
SLEEP = "import time; time.sleep(60)"


class Stored:
    """The tasks that are not done."""

    def __init__(self) -> None:
        self.tasks: dict[UUID, Task] = {}

    def pending(self) -> Sequence[Task]:
        return list(self.tasks.values())

    def done(self, tasks: Sequence[UUID]) -> None:
        for task in tasks:
            self.tasks.pop(task, None)


class Starting:
    """One executor at work."""

    def __init__(self, log, database, sandbox: BubblewrapSandbox) -> None:
        self.log = log
        self.sandbox = sandbox
        self.stored = Stored()
        self.backlog = Backlog(self.stored)
        self.seals = MongoSeals(DataKeys(database, Keyring(database, lambda: [b"k" * 32])), Chunks(database))
        self.executor = Executor(log, self.seals, Clock(), self.backlog, sandbox, LocalRuntimes())
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.executor.run, args=(self.stop,))
        self.thread.start()

    def close(self) -> None:
        self.stop.set()
        self.backlog.wake()
        self.thread.join()
        for name in self.sandbox.list():
            self.sandbox.remove(name)

    def start(self, script: str = "print(1)", version: str = "", limits: Limits | None = None) -> UUID:
        at = datetime.now(UTC)
        newest = next(runtime.version for runtime in installed() if runtime.language == "python")
        run = Execution(
            id=uuid4(), owner=OWNER, language="python", version=version or newest, stdin=None, fingerprint="f",
            script=self.seals.seal(OWNER, script.encode()), limits=limits or Limits(), timestamp=at,
        )  # fmt: skip
        run.create_sandbox(sandbox_of(run.id), at)
        self.log.save(Context("worker:saga", at, uuid4()), run)
        self.give(TaskKind.START, run.id)
        return run.id

    def give(self, kind: TaskKind, run: UUID) -> None:
        task = Task(uuid4(), kind, run, uuid4(), "")
        self.stored.tasks[task.id] = task
        self.backlog.offer([task])

    def run(self, id: UUID) -> Execution:
        return self.log.load(Execution, id)

    def cancel(self, id: UUID) -> None:
        run, at = self.run(id), datetime.now(UTC)
        run.cancel(at)
        self.log.save(Context("user:test", at, uuid4()), run)

    def watch(self, id: UUID) -> Iterator[Frame]:
        wait_until(lambda: sandbox_of(id) in self.sandbox.list(), "its sandbox")
        return self.sandbox.watch(sandbox_of(id))


@pytest.fixture(scope="module", autouse=True)
def _programs():
    build()


@pytest.fixture
def starting(log, database, tmp_path) -> Iterator[Starting]:
    started = Starting(log, database, BubblewrapSandbox(tmp_path / "data", slots=1))
    yield started
    started.close()


def check_not_started(starting: Starting, id: UUID, words: str) -> None:
    """It ended in these words, nothing is left to do, and nothing is left of a sandbox."""
    wait_until(lambda: starting.run(id).status.is_final, "the end")
    outcome = starting.run(id).outcome
    assert outcome.status is Status.INTERNAL_ERROR
    assert outcome.reason.startswith("no sandbox could be started: ")
    assert words in outcome.reason
    wait_until(lambda: not starting.stored.tasks, "that its task is done")
    assert starting.sandbox.list() == []
    assert starting.sandbox.free_slots() == 1


def test_a_language_that_is_gone_since_the_request(starting):
    check_not_started(starting, starting.start(version="2.1"), "python 2.1 is not installed here any more")


def test_limits_for_which_no_cgroup_can_be_made(starting):
    check_not_started(starting, starting.start(limits=Limits(cpus=0.0001)), "cannot make a cgroup")


def test_a_bwrap_that_is_gone(starting, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    check_not_started(starting, starting.start(), "apt-get install bubblewrap")


def test_a_bwrap_that_cannot_do_it_ends_the_run_with_what_it_says(starting, monkeypatch, tmp_path):
    bwrap = tmp_path / "bwrap"
    bwrap.write_text("#!/bin/sh\necho bwrap: no permission to make namespaces >&2\nexit 1\n")
    for folder in (bwrap, *list(bwrap.parents)[:-2]):
        folder.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    name = sandbox_of(starting.start())
    wait_until(lambda: name in starting.sandbox.list(), "the sandbox")
    *_, end = starting.sandbox.watch(name)
    assert end.outcome.status is Status.INTERNAL_ERROR
    assert "no permission to make namespaces" in end.outcome.reason


def test_programs_that_are_not_built(starting, monkeypatch, tmp_path):
    monkeypatch.setattr(sandbox_module, "KEEPER", tmp_path / "keeper")
    check_not_started(starting, starting.start(), "make setup")


def test_no_room_is_waited_for(starting):
    first, second = starting.start(SLEEP), starting.start(SLEEP)
    wait_until(lambda: starting.sandbox.list() == [sandbox_of(first)], "the first one")
    assert not starting.run(second).status.is_final
    starting.give(TaskKind.STOP, first)
    wait_until(lambda: sandbox_of(second) in starting.sandbox.list(), "the second one")


def test_a_start_that_is_done_again_after_a_cancel_leaves_the_end_to_the_sandbox(starting):
    """Its worker died before it could forget the task."""
    there = starting.start("print('up', flush=True); import time; time.sleep(60)")
    frames = starting.watch(there)
    assert next(frame.data for frame in frames if isinstance(frame, Output)).startswith(b"up")
    starting.cancel(there)
    starting.give(TaskKind.START, there)
    wait_until(lambda: len(starting.stored.tasks) == 0, "it is done again")
    assert not starting.run(there).status.is_final
    starting.give(TaskKind.STOP, there)
    *_, end = frames
    assert end.outcome.status is Status.CANCELLED


def test_a_cancelled_run_without_a_sandbox_ends_without_one(starting):
    first, second = starting.start(SLEEP), starting.start(SLEEP)
    wait_until(lambda: starting.sandbox.list() == [sandbox_of(first)], "the first one")
    starting.cancel(second)
    starting.give(TaskKind.STOP, first)
    wait_until(lambda: starting.run(second).status is Status.CANCELLED, "its end")
    assert sandbox_of(second) not in starting.sandbox.list()


def test_a_sandbox_that_is_to_be_removed_goes(starting):
    there = starting.start(SLEEP)
    wait_until(lambda: starting.sandbox.list() == [sandbox_of(there)], "the sandbox")
    starting.give(TaskKind.REMOVE, there)
    wait_until(lambda: starting.sandbox.list() == [], "that it is gone")


# A full disk --------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0 and "CI" not in os.environ:
        pytest.skip("only root can mount a disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k,mode=700", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def starting_there(log, database, small_disk) -> Iterator[Starting]:
    started = Starting(log, database, BubblewrapSandbox(small_disk, slots=1))
    yield started
    started.close()


def test_a_disk_that_is_full_at_the_start(starting_there, small_disk):
    assert starting_there.sandbox.free_slots() == 1
    (small_disk / "filler").write_bytes(bytes(400 * 1024))
    check_not_started(starting_there, starting_there.start(), "No space left on device")


def test_a_disk_that_fills_up_while_a_script_writes(starting_there):
    name = sandbox_of(starting_there.start("print('x' * 5_000_000)"))
    wait_until(lambda: name in starting_there.sandbox.list(), "the sandbox")
    *frames, end = starting_there.sandbox.watch(name)
    assert end.outcome.status is Status.INTERNAL_ERROR
    assert end.outcome.reason == "the spool cannot be written"
    assert sum(len(frame.data) for frame in frames[1:]) == end.outcome.stdout_bytes > 0
    starting_there.give(TaskKind.REMOVE, UUID(name[4:-2]))
    wait_until(lambda: starting_there.sandbox.list() == [], "that it is gone")
