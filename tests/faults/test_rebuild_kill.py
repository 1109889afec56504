"""kill -9 of a rebuild at many moments, and of those who fold: nothing is doubled and nothing is lost."""

import random
import time
from contextlib import ExitStack
from uuid import uuid4

import pytest

from adapters.mongo.log.log import MongoEventLog
from adapters.mongo.read_models.generations import collection_name
from adapters.mongo.read_models.stored import MongoStored
from projections.verification import Verification
from tests.contracts.feed import save_users
from tests.faults.brokers import Embedded
from tests.faults.folding import STATES
from tests.faults.mirrors import Mirror
from tests.faults.processes import program, wait_until
from tests.servers import running, secantus

EVENTS = 6_000
KILLS = 10
FOLDERS_KILLED = 50


@pytest.fixture
def mirror(tmp_path):
    """A store, its mirror, and those who read it."""
    broker = Embedded(tmp_path)
    with running(secantus(tmp_path), tmp_path) as mongo, ExitStack() as programs:
        opened = Mirror(mongo, broker, programs)
        yield opened
        programs.close()
        opened.journal.close()
        opened.database.client.close()
    broker.stop()


def verified(mirror: Mirror, generation: int):
    lanes = frozenset(range(mirror.log.lanes))
    return Verification(mirror.log, MongoStored(mirror.database), STATES, generation, lanes).run(is_full=True)


def live(mirror: Mirror) -> int:
    return mirror.database.generations.find_one({"_id": STATES.name})["generation"]


def save_many(log: MongoEventLog, number: int) -> None:
    for _ in range(number // 100):
        save_users(log, 50)


def test_a_rebuild_that_is_killed_again_and_again_ends_as_if_it_had_not_been(mirror):
    save_many(mirror.log, EVENTS)
    mirror.relay()
    mirror.consumer()
    wait_until(mirror.has_folded_all, "the live read model")
    request, arguments = str(uuid4()), (mirror.url, mirror.name)
    unfinished = 0
    with mirror.load():
        for number in range(KILLS):
            with program("rebuilding", *arguments, request):
                time.sleep(0.6 + number * random.uniform(0.05, 0.15))
            unfinished += live(mirror) == 1
        with program("rebuilding", *arguments, request) as last:
            wait_until(lambda: last.process.poll() is not None, "the end of the rebuild")
        assert last.process.returncode == 0
    assert unfinished >= KILLS / 2, "it was done before it could be killed"
    assert live(mirror) == 2
    wait_until(mirror.has_folded_all, "the new one kept up")
    found = verified(mirror, 2)
    assert found.findings == ()
    assert found.documents == mirror.database[collection_name(STATES.name, 2)].count_documents({})
    mirror.check()


def test_those_who_fold_are_killed_again_and_again_and_nothing_is_doubled_or_lost(mirror):
    mirror.relay()
    with mirror.load():
        for _ in range(FOLDERS_KILLED):
            one = mirror.consumer()
            time.sleep(random.uniform(0.7, 1.5))
            one.kill()
        mirror.consumer()
    mirror.check()
