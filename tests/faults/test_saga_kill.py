"""Every worker is killed -9, or stopped for a while, between every two steps of a run's saga."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from application.frames import decode_frames, one_stream
from application.orchestrator import sandbox_of
from application.ports.log import Context
from application.ports.sandbox import STDOUT
from application.run_requests import RunRequest
from domain.execution import Execution, ExecutionEnded, Status
from domain.saga import Saga, saga_of
from ops.store import ADMIN
from tests.faults import working
from tests.faults.checker import check_ledger, container_of, held
from tests.faults.processes import Program, wait_until
from tests.system import System, processes_of, running

SCRIPT = "import time\nfor i in range(5):\n    print(i, flush=True)\n    time.sleep(0.1)\n"
OUTPUT = b"0\n1\n2\n3\n4\n"
LONG_SCRIPT = "print(1, flush=True)\nimport time\ntime.sleep(300)\n"
NAMES = ("saga", "executor", "monitor", "results")
OVER = ("before the end is recorded", "before the sandbox is removed")
"""There the script has come to its end."""


class Partly(System):
    """The workers that look after runs are this test's own, each in its process."""

    command = (sys.executable, "-m", "tests.faults.partly")

    def start(self) -> None:
        super().start()
        self.parts = container_of(self)
        self.workers = {name: Program("working", self.data, name) for name in NAMES}

    def stop(self) -> float:
        for worker in self.workers.values():
            worker.kill()
        return super().stop()

    def replace(self, name: str, *arguments: str) -> Program:
        """The worker ends as it does when it is told to, and another one takes its part."""
        self.workers[name].resume()
        self.workers[name].process.terminate()
        self.workers[name].process.wait(20)
        self.workers[name] = Program("working", self.data, name, *arguments)
        return self.workers[name]

    def request(self, script: str, **more: Any) -> UUID:
        owner = self.parts.accounts().find(ADMIN)
        assert owner
        wanted = RunRequest("python", script, **more)
        return self.parts.executions().request(by_operator(), owner.id, wanted).execution_id

    def run(self, id: UUID) -> Execution:
        return self.parts.log().load(Execution, id)


def by_operator() -> Context:
    return Context("operator", datetime.now(UTC), uuid4())


@pytest.fixture(scope="module")
def system(tmp_path_factory) -> Iterator[Partly]:
    with running(Partly(tmp_path_factory.mktemp("partly") / "data")) as started:
        yield started


def come_to(system: Partly, is_there: Callable[[], bool], point: str, script: str = SCRIPT) -> list[UUID]:
    """Request runs until the worker comes to its point, for it may not have its lanes yet. The last comes last."""
    runs: list[UUID] = []
    deadline = time.monotonic() + 60
    while not is_there():
        assert time.monotonic() < deadline, f"{point} was never reached"
        if not runs or has_long_ended(system, runs[-1]):
            runs.append(system.request(script))
        time.sleep(0.05)
    return runs


def has_long_ended(system: Partly, id: UUID) -> bool:
    """All that follows from its end has happened, too, however slow the machine is."""
    run = system.run(id)
    is_long_ago = run.status.is_final and run.ended_at < datetime.now(UTC) - timedelta(seconds=4)
    return is_long_ago and sandbox_of(id) not in system.parts.sandbox().list()


def is_stopped(program: Program) -> bool:
    return Path(f"/proc/{program.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def check_ended(system: Partly, id: UUID, status: Status) -> None:
    """Once, truly, with one sandbox at most, and nothing is left of it."""
    wait_until(lambda: system.run(id).status.is_final, "the end")
    events = system.parts.log().history(id)
    assert sum(isinstance(event.data, Execution.Finished) for event in events) == 1
    assert system.run(id).status is status
    wait_until(lambda: held(system.parts.log()) == {}, "that its place is free")
    wait_until(lambda: system.parts.sandbox().list() == [], "that its sandbox is gone")
    assert system.parts.sandbox().free_slots() == system.parts.settings().slots
    assert processes_of(str(id)) == []
    assert working.made(system.data, sandbox_of(id)) <= 1
    check_saga(system, id)


def check_saga(system: Partly, id: UUID) -> None:
    """It has released its place once; a run that never had one has no saga."""
    events = [type(event.data) for event in system.parts.log().history(saga_of(id))]
    assert events in ([], [Saga.Begun, Saga.Released])
    assert bool(events) == (system.run(id).sandbox is not None)


def check_output(system: Partly, id: UUID) -> None:
    output = system.run(id).output
    assert output
    assert one_stream(decode_frames(system.parts.seals().open(output)), STDOUT) == OUTPUT


@pytest.mark.parametrize("point", working.POINTS)
def test_a_worker_that_is_killed_between_two_steps_costs_a_run_nothing(system, point):
    name = working.worker_of(point)
    armed = system.replace(name, "SIGKILL", point)
    runs = come_to(system, lambda: armed.process.poll() == -signal.SIGKILL, point)
    system.workers[name] = Program("working", system.data, name)
    for id in runs:
        check_ended(system, id, Status.SUCCEEDED)
        check_output(system, id)


@pytest.mark.parametrize("point", [f"before {step}" for step in working.STEPS if step != "the place is given back"])
def test_a_run_is_cancelled_at_any_step(system, point):
    """Somebody is stopped at that step, and goes on after the run was cancelled."""
    armed = system.replace(working.worker_of(point), "SIGSTOP", point)
    script = SCRIPT if point in OVER else LONG_SCRIPT
    *_, id = come_to(system, lambda: is_stopped(armed), point, script)
    with pytest.raises(ExecutionEnded) if point == "before the sandbox is removed" else nullcontext():
        system.parts.executions().cancel(by_operator(), id)
    armed.resume()
    check_ended(system, id, Status.SUCCEEDED if point in OVER else Status.CANCELLED)


def test_all_of_it_is_right_in_the_log(system):
    check_ledger(system.parts)
