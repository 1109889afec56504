"""The table of endings: each is caused on a running system and ends as it says; none is missing, none made up."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any
from uuid import UUID

import httpx
import pytest

from adapters.supervisor.records import HEAD
from application import deadlines
from application.deadlines import Deadlines
from application.orchestrator import created, sandbox_of
from application.ports.work import Task, TaskKind
from domain.execution import Execution, Status
from domain.queue import Waiting
from ops.cli.access import workers
from ops.loading import load
from ops.workers import nobody
from tests.faults.checker import container_of
from tests.faults.processes import wait_until
from tests.journeys.endings import BY_ITSELF, ENDINGS, WALL_SECONDS, Ending
from tests.system import CLI, System, processes_of, running_on

SLEEP = "print('up', flush=True)\nimport time\ntime.sleep(60)"
NO_KIND = 99
QUEUE_TIME = timedelta(hours=1)


class Case:
    """One run by the command line, on a system whose workers can be stopped for a while."""

    def __init__(self, system: System, api: httpx.Client, patch: pytest.MonkeyPatch) -> None:
        self.system = system
        self.api = api
        self.patch = patch
        self.parts = container_of(system)

    def run(self, script: str, *options: str) -> None:
        command = [CLI, "run", "-", "--language", "python", "--json", *options]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, env=self.system.environment, **pipes)
        self.process.stdin.write(script.encode())
        self.process.stdin.close()

    def begin(self, status: Status, *options: str) -> UUID:
        """Returns when the run stands so."""
        before = self._newest()
        self.run(SLEEP, "--timeout", "60", *options)
        wait_until(lambda: self._newest() != before and self._newest()["status"] == status, f"a run that is {status}")
        return UUID(self._newest()["id"])

    def _newest(self) -> dict[str, Any] | None:
        items = self.api.get("/executions", params={"limit": 1}).json()["items"]
        return items[0] if items else None

    def ended(self) -> tuple[dict[str, Any], int]:
        """The object that the command has printed, and its exit code."""
        with self.process:
            printed = self.process.stdout.read()
        return json.loads(printed), self.process.returncode

    def is_over(self, run: UUID, look: Callable[[], None]) -> bool:
        """After somebody has looked."""
        look()
        return self.parts.log().load(Execution, run).status.is_final

    def let_time_pass(self, run: UUID) -> None:
        """A saga worker looks at it an hour later."""
        self.patch.setattr(deadlines, "GRACE_SECONDS", -1.0)
        Deadlines(self.parts.log(), QUEUE_TIME).enforce([run], datetime.now(UTC) + timedelta(hours=1))

    def let_it_wait(self, run: UUID) -> None:
        """A saga worker looks at what waits, long after that was to have a place."""
        self.patch.setattr(deadlines, "GRACE_SECONDS", -1.0)
        waiting = Waiting(run, UUID(int=0), 0, 0, datetime.now(UTC))
        assert Deadlines(self.parts.log(), QUEUE_TIME).end_waiting([waiting], datetime.now(UTC) + 2 * QUEUE_TIME)


def cancel_running(case: Case) -> None:
    run = case.begin(Status.RUNNING)
    assert case.api.post(f"/executions/{run}/cancel").status_code == 202


def cancel_waiting(case: Case) -> None:
    with case.system.without("saga"):
        run = case.begin(Status.QUEUED)
        assert case.api.post(f"/executions/{run}/cancel").status_code == 202


def kill_the_keeper(case: Case) -> None:
    run = case.begin(Status.RUNNING)
    found = subprocess.run(["pgrep", "-f", f"keeper.*{sandbox_of(run)}"], capture_output=True, check=True).stdout
    os.kill(int(found.split()[0]), signal.SIGKILL)


def let_the_sandbox_vanish(case: Case) -> None:
    run = case.begin(Status.RUNNING)
    with case.system.without("monitor", "results"):
        case.parts.sandbox().remove(sandbox_of(run))
        wait_until(lambda: case.is_over(run, case.parts.reconciler().end_lost), "that it is found lost")


def hear_nothing(case: Case) -> None:
    run = case.begin(Status.RUNNING)
    with case.system.without("monitor", "results"):
        case.let_time_pass(run)
    case.parts.sandbox().remove(sandbox_of(run))


def start_nothing_in_time(case: Case) -> None:
    with case.system.without("executor"):
        case.let_time_pass(case.begin(Status.STARTING))


def wait_in_vain(case: Case) -> None:
    with case.system.without("saga"):
        case.let_it_wait(case.begin(Status.QUEUED))


def garble_what_it_wrote(case: Case) -> None:
    """From outside, as nobody inside can write a record, and before anybody collects it."""
    with case.system.without("results"):
        run = case.begin(Status.RUNNING)
        with (case.system.data / "sandboxes" / sandbox_of(run) / "spool").open("r+b") as spool:
            spool.write(HEAD.pack(0, NO_KIND, 0, 0))
        assert case.api.post(f"/executions/{run}/cancel").status_code == 202


def miss_what_makes_sandboxes(case: Case) -> None:
    """Another executor is the first to see it, one that has no bubblewrap."""
    with case.system.without("executor"):
        run = case.begin(Status.STARTING)
        cause = created(case.parts.log(), run)
        case.patch.setenv("PATH", "/nowhere")
        executor, stop = case.parts.executor(), Event()
        executor.take([Task(cause.id, TaskKind.START, run, cause.correlation, cause.trace)])
        thread = Thread(target=executor.run, args=(stop,))
        thread.start()
        try:
            case.process.wait(30)
        finally:
            stop.set()
            thread.join()


def kill_inside(case: Case) -> None:
    run = case.begin(Status.RUNNING)
    os.kill(min(processes_of(str(run))), signal.SIGKILL)


def lower_a_ceiling(case: Case) -> None:
    """Another saga worker is the first to choose it, one with a lower ceiling."""
    with case.system.without("saga"):
        case.begin(Status.QUEUED)
        strict = workers(load({"RUNLEDGER_DATA": str(case.system.data), "RUNLEDGER_MAX_WALL_SECONDS": "50"}))
        strict.queue().look()
        while not strict.orchestrator(nobody).step():
            time.sleep(0.01)


FROM_OUTSIDE: dict[str, Callable[[Case], None]] = {
    "it was cancelled": cancel_running,
    "cancelled before it started": cancel_waiting,
    "its sandbox was lost": kill_the_keeper,
    "its sandbox vanished before it told how the run ended": let_the_sandbox_vanish,
    "nothing was heard of its sandbox in time": hear_nothing,
    "no sandbox could be started: …": miss_what_makes_sandboxes,
    "the sandbox ended unexpectedly…": kill_inside,
    "no sandbox was started in time": start_nothing_in_time,
    "no place came free within…": wait_in_vain,
    "its sandbox wrote what is no record": garble_what_it_wrote,
    "its limits are above what is allowed here by now": lower_a_ceiling,
}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_on(tmp_path_factory.mktemp("endings") / "data", "--split") as running:
        yield running


@pytest.fixture
def case(system: System, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    with closing(system.log_in()) as api:
        yield Case(system, api, monkeypatch)


def test_every_final_status_is_in_the_table_and_no_other():
    assert {ending.status for ending in ENDINGS} == {status.value for status in Status if status.is_final}


def test_every_row_has_a_cause_of_its_own():
    assert sorted(ending.reason for ending in ENDINGS) == sorted([*BY_ITSELF, *FROM_OUTSIDE])


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: f"{ending.status}: {ending.cause}")
def test_it_ends_so(ending: Ending, case: Case):
    if ending.reason in BY_ITSELF:
        case.run(BY_ITSELF[ending.reason], "--timeout", str(WALL_SECONDS))
    else:
        FROM_OUTSIDE[ending.reason](case)
    shown, code = case.ended()
    assert (shown["status"], code) == (ending.status, ending.exit_code)
    assert ending.tells(shown["reason"]), shown["reason"]
    stored = case.api.get(f"/executions/{shown['id']}").json()
    assert (stored["status"], stored["reason"]) == (shown["status"], shown["reason"])
