"""The log's bell over Redis: it wakes, and what it says is checked before anything is built on it."""

import time
from functools import partial

import pytest
import redis

from adapters.mongo.log.journal import Journal
from adapters.mongo.log.log import MongoEventLog
from adapters.redis.bell import PAUSE_SECONDS, RedisBell
from tests.contracts.event_log import OPERATOR, new_user
from tests.contracts.test_redis_live_output import server  # noqa: F401 - a fixture


@pytest.fixture
def opened(database, server):  # noqa: F811
    """Opens the store as another process would."""
    journals = []

    def open_journal(url: str = server.address) -> Journal:
        client = redis.Redis.from_url(url)
        journals.append(Journal(database, bell_of=partial(RedisBell, client)))
        return journals[-1]

    yield open_journal
    for journal in journals:
        journal.close()


def test_a_commit_rings_in_other_processes_too(opened):
    one, other = opened(), opened()
    heard = other.bell.wait(0, 1.0)
    position = MongoEventLog(one).save(OPERATOR, new_user())
    assert other.bell.wait(heard, 5.0) > heard
    assert other.bell.end == position


def test_many_commits_are_told_as_few_rings(opened, server):  # noqa: F811
    one, other = opened().bell, opened().bell
    heard, told, since = other.wait(0, 1.0), published(server), time.monotonic()
    for end in range(1, 101):
        one.ring(end)
        time.sleep(0.001)
    while other.end < 100:
        heard = other.wait(heard, 5.0)
    assert published(server) - told <= (time.monotonic() - since) / PAUSE_SECONDS + 1


def published(server) -> int:  # noqa: F811
    with redis.Redis.from_url(server.address) as client:
        return client.info("commandstats").get("cmdstat_publish", {"calls": 0})["calls"]


def test_without_redis_it_rings_in_its_own_process(opened):
    journal = opened("redis://127.0.0.1:9")
    MongoEventLog(journal).save(OPERATOR, new_user())
    assert journal.bell.wait(0, 0.1) == 1


def test_writers_that_hear_each_other_make_no_hole_and_lose_nothing(opened):
    logs = [MongoEventLog(opened()), MongoEventLog(opened())]
    for turn in range(20):
        logs[turn % 2].save(OPERATOR, new_user())
    assert [event.position for event in logs[0].read(0, 100)] == list(range(1, 21))


def test_a_false_rumour_opens_no_hole(opened):
    journal = opened()
    log = MongoEventLog(journal)
    assert log.save(OPERATOR, new_user()) == 1
    journal.bell.ring(1_000_000)
    assert log.save(OPERATOR, new_user()) == 2
