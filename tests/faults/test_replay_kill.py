"""Everything is killed in the middle of replays: what is in their targets in the end is what was counted before."""

import json
import os
import signal
from collections.abc import Iterator
from uuid import UUID

import pytest

from domain.replay import ReplayStatus
from projections.registry import BY_NAME
from projections.verification import Verification
from tests.contracts.feed import save_users
from tests.faults.brokers import records_at
from tests.faults.checker import container_of
from tests.faults.processes import wait_until
from tests.journeys.conftest import execute, result_of
from tests.journeys.test_read_models import asked
from tests.system import System, running_on

USERS = 1_000
RUNS = 10
SPEED = "120"
"""Events a second: so slow that there is time to kill everything, also where many tests run."""
HISTORY = "execution_history"
MOCK_PARTITIONS = 4
TARGETS = ["file:replayed.jsonl", "topic:replayed", f"projection:{HISTORY}"]


@pytest.fixture(scope="module")
def system(tmp_path_factory) -> Iterator[System]:
    with running_on(tmp_path_factory.mktemp("replays") / "data") as started:
        save_users(container_of(started).log(), USERS)
        admin = started.log_in()
        for run in [execute(admin, "print(1)") for _ in range(RUNS)]:
            result_of(admin, run)
        admin.close()
        yield started


def kill_everything(system: System) -> None:
    """The supervisor first, so that it starts nothing again."""
    for process in (system.process.pid, *system.running.processes.values()):
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue
    system.process.wait()


def shown(system: System, replay: str) -> dict:
    return asked(system, "replay", "show", replay)


def is_in_the_middle(system: System, replay: str, after: int) -> bool:
    view = container_of(system).replays().view(UUID(replay))
    assert view.status is ReplayStatus.RUNNING, "it was done before it could be killed"
    return view.events > after


@pytest.mark.parametrize("into", TARGETS)
def test_a_replay_survives_that_everything_is_killed_and_the_numbers_add_up(system, into):
    upto = container_of(system).ledger().head()
    wanted = ("--into", into, "--upto", str(upto))
    counted = asked(system, "replay", "start", *wanted, "--dry-run")["events"]
    assert counted == upto > 2 * USERS
    replay = asked(system, "replay", "start", *wanted, "--speed", SPEED, "--detach")["id"]
    wait_until(lambda: is_in_the_middle(system, replay, 200), "some events")
    asked(system, "replay", "pause", replay)
    kill_everything(system)
    system.start()
    paused = shown(system, replay)
    assert paused["status"] == "paused"
    assert 200 < paused["events"] < counted
    asked(system, "replay", "resume", replay)
    wait_until(lambda: is_in_the_middle(system, replay, paused["events"] + 100), "more events")
    kill_everything(system)
    system.start()
    wait_until(lambda: shown(system, replay)["status"] == "completed", "the end")
    assert shown(system, replay)["events"] == counted
    check(system, replay, into, upto)
    check_cancelled(system, wanted[2:])
    asked(system, "replay", "drop", replay)
    wait_until(lambda: shown(system, replay)["is_discarded"], "that it is gone")


def check(system: System, replay: str, into: str, upto: int) -> None:
    match into.split(":"):
        case ["file", name]:
            lines = (system.data / "replays" / name).read_text().splitlines()
            assert [json.loads(line)["position"] for line in lines] == list(range(1, upto + 1))
        case ["topic", name]:
            check_topic(system, name, upto)
        case ["projection", name]:
            check_generation(system, name, replay)


def check_topic(system: System, name: str, upto: int) -> None:
    found: dict[int, list[int]] = {partition: [] for partition in range(MOCK_PARTITIONS)}
    for record in records_at(system.running.kafka_servers, name, MOCK_PARTITIONS):
        found[record.lane].append(record.place.position)
    assert all(positions == sorted(set(positions)) for positions in found.values())
    assert sorted(position for positions in found.values() for position in positions) == list(range(1, upto + 1))
    lanes = {event.position: event.lane for event in container_of(system).log().read(0, upto)}
    assert all(lanes[one] % MOCK_PARTITIONS == partition for partition, many in found.items() for one in many)


def check_generation(system: System, name: str, replay: str) -> None:
    container = container_of(system)
    made = container.read_models().generations.pointer(name).of_replay(UUID(replay))
    assert made
    lanes = frozenset(range(container.log().lanes))
    found = Verification(container.log(), container.stored(), BY_NAME[name], made.number, lanes).run(is_full=True)
    assert (found.documents, found.findings) == (RUNS, ())


def check_cancelled(system: System, wanted: tuple[str, ...]) -> None:
    begun = asked(system, "replay", "start", "--into", "file:cancelled.jsonl", *wanted, "--speed", SPEED, "--detach")
    wait_until(lambda: is_in_the_middle(system, begun["id"], 100), "some events")
    asked(system, "replay", "cancel", begun["id"])
    wait_until(lambda: shown(system, begun["id"])["is_discarded"], "that it is gone")
    ended = shown(system, begun["id"])
    assert (ended["status"], 100 < ended["events"] < ended["total"]) == ("cancelled", True)
    assert not list((system.data / "replays").glob("*cancelled*"))
    assert not list((system.data / "replays").glob(f".{begun['id']}*"))
