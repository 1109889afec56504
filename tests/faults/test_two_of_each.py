"""Two processes of each worker: one is killed, or stopped, while runs are under way, and the other takes its part."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from uuid import UUID

import httpx
import pytest

from adapters.redis.channels import output_of as output_key_of
from adapters.redis.live_output import KEPT_SECONDS
from application.orchestrator import sandbox_of
from domain.execution import Status
from tests.faults import working
from tests.faults.checker import check_ledger, check_nothing_left
from tests.faults.processes import Program, wait_until
from tests.faults.test_saga_kill import (
    NAMES,
    OUTPUT,
    SCRIPT,
    Partly,
    check_ended,
    check_output,
    come_to,
    has_long_ended,
    is_stopped,
)
from tests.journeys.conftest import Message, execute, follow, frames_of, output_of, result_of
from tests.system import running

LATE_SECONDS = 2.0
"""By then it has gone on."""
HELLOS = 40
RUNS = 6
"""More than there are places."""


class Doubled(Partly):
    """Partly's own workers, and a second one of each."""

    def start(self) -> None:
        super().start()
        self.others = {name: Program("working", self.data, name) for name in NAMES}

    def stop(self) -> float:
        for worker in self.others.values():
            worker.kill()
        return super().stop()


@pytest.fixture(scope="module")
def system(tmp_path_factory) -> Iterator[Doubled]:
    with running(Doubled(tmp_path_factory.mktemp("doubled") / "data")) as started:
        yield started


@pytest.fixture
def client(system) -> Iterator[httpx.Client]:
    with closing(system.log_in()) as client:
        yield client


def begin(client: httpx.Client, pool: ThreadPoolExecutor) -> dict[str, Future[list[Message]]]:
    """Some runs, each followed by its owner from the start on; returns when one is under way."""
    runs = [execute(client, SCRIPT) for _ in range(RUNS)]
    wait_until(lambda: client.get(f"/executions/{runs[0]}").json()["status"] != "queued", "the first run")
    return {run: pool.submit(lambda run=run: list(follow(client, run))) for run in runs}


def check_all(system: Doubled, followed: dict[str, Future[list[Message]]]) -> None:
    for run, messages in followed.items():
        check_seen_once(messages.result(60))
        check_ended(system, UUID(run), Status.SUCCEEDED)
        check_output(system, UUID(run))
        assert system.parts.redis().ttl(output_key_of(UUID(run))) <= KEPT_SECONDS, "it goes soon"


def check_seen_once(messages: list[Message]) -> None:
    """The owner saw each frame once, in order, and one end."""
    numbers = [number for number, _, _ in frames_of(messages)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert output_of(messages) == OUTPUT
    assert [message.event for message in messages].count("finished") == 1


@pytest.mark.parametrize("name", NAMES)
def test_one_of_two_is_killed_while_runs_are_under_way(system, client, name):
    with ThreadPoolExecutor() as pool:
        followed = begin(client, pool)
        system.workers[name].kill()
        followed |= begin(client, pool)
        check_all(system, followed)
    system.workers[name].start()


def test_one_of_each_is_stopped_and_goes_on_after_the_runs_have_ended(system, client):
    with ThreadPoolExecutor() as pool:
        followed = begin(client, pool)
        for worker in system.workers.values():
            worker.pause()
        followed |= begin(client, pool)
        check_all(system, followed)
        for worker in system.workers.values():
            worker.resume()
        check_all(system, followed)


def test_an_executor_that_goes_on_when_the_run_has_ended_starts_no_script_again(system):
    armed = system.replace("executor", "SIGSTOP", "before the sandbox is made")
    runs = come_to(system, lambda: is_stopped(armed), "before the sandbox is made")
    wait_until(lambda: all(has_long_ended(system, id) for id in runs), "that the other one starts it")
    armed.resume()
    time.sleep(LATE_SECONDS)
    for id in runs:
        check_ended(system, id, Status.SUCCEEDED)


def test_two_processes_with_all_workers_each_make_every_sandbox_once(system, client):
    """Where the saga has an executor beside it, that is told at once, and the other process by the event."""
    alone = (*system.workers.values(), *system.others.values())
    for worker in alone:
        worker.kill()
    both = [Program("working", system.data, ",".join(NAMES)) for _ in range(2)]
    try:
        runs = [execute(client, "print('hello')") for _ in range(HELLOS)]
        for run in runs:
            assert result_of(client, run)["status"] == "succeeded"
        assert [working.made(system.data, sandbox_of(UUID(run))) for run in runs] == [1] * HELLOS
    finally:
        for one in both:
            one.kill()
        for worker in alone:
            worker.start()


def test_nothing_is_left_of_all_that(system):
    check_ledger(system.parts)
    check_nothing_left(system, system.parts)
