"""Everything is replayed, and nothing outside happens again."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest

from ops.containers.workers import Workers
from projections.registry import BY_NAME
from tests.faults.brokers import records_at
from tests.faults.checker import container_of, read_all
from tests.faults.processes import program, wait_until
from tests.journeys.conftest import execute, result_of
from tests.journeys.test_cli_mirror import wipe
from tests.journeys.test_read_models import asked
from tests.receiver import receiving
from tests.system import System, running_on

RUNS = 3


@pytest.fixture(scope="module")
def system(tmp_path_factory) -> Iterator[System]:
    with running_on(tmp_path_factory.mktemp("replayed") / "data") as started:
        yield started


def types(container: Workers) -> Counter[str]:
    """How many events of each type there are."""
    return Counter(event.type for event in read_all(container.log()))


def test_a_full_replay_of_everything_has_no_effect(system):
    container = container_of(system)
    posted: list[bytes] = []
    with (
        closing(container.journal()),
        receiving(lambda _, body: posted.append(body)) as receiver,
        closing(system.log_in()) as api,
        program("posting", system.data, receiver),
    ):
        wait_until(lambda: "posts" in container.read_models().pointers(), "the worker's marks")
        for _ in range(RUNS):
            result_of(api, execute(api, "print(1)"))
        wait_until(lambda: len(posted) == RUNS, "a post for each run")
        system.events()
        before = types(container)
        assert before["Execution.SandboxCreated"] == RUNS

        wipe(system)
        for name in BY_NAME:
            asked(system, "projections", "rebuild", name, "--verify", "full")
        for _ in range(2):
            mirrored = asked(system, "events", "mirror", "--from", "1")
            assert mirrored["is_done"]
        replayed = Counter(record.place.position for record in records_at(system.running.kafka_servers))
        assert all(replayed[position] >= 2 for position in range(1, sum(before.values()) + 1))

        assert len(posted) == RUNS
        assert (types(container) - before).keys() == {
            "ReadModel.Named",
            "ReadModel.RebuildRequested",
            "ReadModel.Ended",
        }
        result_of(api, execute(api, "print(2)"))  # behind all that was replayed
        wait_until(lambda: len(posted) > RUNS, "a post for the new run")
        assert len(set(posted)) == len(posted) == RUNS + 1
        assert types(container)["Execution.SandboxCreated"] == RUNS + 1
