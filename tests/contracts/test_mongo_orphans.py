"""Lanes whose owner was killed are nobody's at once, as far as a process of the same machine can see."""

import signal
from collections.abc import Set as AbstractSet
from threading import Event, Thread

import pytest

from adapters.mongo.read_models.read_models import MongoReadModels
from projections import execution_history, execution_status
from projections.engine import Engine
from tests.faults.folding import Silence
from tests.faults.processes import wait_until
from tests.namespaces import IN_ITS_OWN_PIDS

STATUS, HISTORY = execution_status.PROJECTION, execution_history.PROJECTION


@pytest.fixture
def store(database) -> MongoReadModels:
    read_models = MongoReadModels(database)
    read_models.generations.prepare([STATUS, HISTORY], {}, lanes=4)
    return read_models


def kill(process) -> None:
    process.kill()
    process.wait()
    process.stdout.read()  # nobody has it open any more: what it had started has ended as well


def test_lanes_that_nobody_has_owned_are_left_to_the_group(store):
    assert store.orphans(STATUS) == frozenset()


def test_the_lanes_of_a_process_are_orphans_once_it_is_killed(store, start):
    owner = start("claiming", "1,3")
    store.claim(STATUS, 0)
    assert store.orphans(STATUS) == frozenset()
    kill(owner)
    assert store.orphans(STATUS) == {1, 3}
    assert store.orphans(HISTORY) == frozenset()


def test_whoever_claims_an_orphan_is_its_owner(store, start):
    kill(start("claiming", "1,3"))
    assert store.claim(STATUS, 1).epoch == 2
    assert store.orphans(STATUS) == {3}


def test_a_process_that_is_stopped_owns_its_lanes(store, start):
    owner = start("claiming", "1,3")
    owner.send_signal(signal.SIGSTOP)
    assert store.orphans(STATUS) == frozenset()


def test_of_a_process_in_another_pid_namespace_nobody_can_tell(store, start):
    kill(start("claiming", "1,3", wrapped=IN_ITS_OWN_PIDS))
    assert store.orphans(STATUS) == frozenset()


def test_what_an_earlier_version_has_claimed_is_left_to_the_group(store, start, database):
    kill(start("claiming", "1,3"))
    database.cursors.update_one({"_id": f"{STATUS.name}/1/1"}, {"$unset": {"holder": 1}})
    assert store.orphans(STATUS) == {3}


class Empty:
    """A feed and a log without events."""

    lanes: frozenset[int] = frozenset()

    def __init__(self) -> None:
        self.orphans: AbstractSet[int] | None = None

    def subscribe(self, _group, _cursor, orphans):
        self.orphans = orphans
        return self

    def poll(self, timeout):
        Event().wait(min(timeout, 0.02))
        return []

    def close(self) -> None:
        pass


def test_an_engine_takes_the_orphans_over(store, start):
    kill(start("claiming", "1,3"))
    feed, stop = Empty(), Event()
    running = Thread(target=Engine("test", [STATUS, HISTORY], feed, feed, store, Silence()).run, args=[stop])
    running.start()
    try:
        wait_until(lambda: feed.orphans == {1, 3}, "that the orphans are its own", patience=10)
    finally:
        stop.set()
        running.join()
