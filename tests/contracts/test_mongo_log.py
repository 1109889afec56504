"""MongoEventLog keeps the port's promises, and its own: whatever happens to server, network or writer."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any
from uuid import uuid4

import pytest
from pymongo.errors import AutoReconnect

from adapters.mongo.commits import commits, envelope, heads
from adapters.mongo.commits.envelope import EventTooLarge
from adapters.mongo.connection import connect
from adapters.mongo.library.recorders import MongoApplicationRecorder
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.log import MongoEventLog
from adapters.mongo.secrets.seals import CHUNK_BYTES
from adapters.mongo.writing.writer import _Request
from application.ports.log import LogUnavailable, VersionConflict
from domain.execution import Execution, Outcome, Status
from domain.sealed import Sealed
from domain.user import Role, User
from ops.settings import meta
from tests.contracts.event_log import NOON, OPERATOR, EventLogContract, new_user
from tests.servers import running, secantus


class TestMongoEventLog(EventLogContract):
    @pytest.fixture(autouse=True)
    def _open(self, mongo_server, database, journal):
        self.server, self.database, self.journal = mongo_server, database, journal
        self.log = MongoEventLog(journal)
        self.opened = []
        yield
        for other in self.opened:
            other.close()

    def another_log(self):
        other = Journal(self.database)
        self.opened.append(other)
        return MongoEventLog(other)


# Documents ----------------------------------------------------------------------------------------------------


def test_a_commit_is_one_document_of_the_agreed_shape(log, database):
    user = new_user()
    user.log_in(NOON)
    log.save(OPERATOR, new_user())
    log.save(OPERATOR, user)
    stored = database.commits.find_one({"_id": 2})
    assert set(stored) == {"_id", "z", "n", "at", "c", "st", "l", "k", "e"}
    assert (stored["_id"], stored["z"], stored["n"], stored["st"]) == (2, 3, 2, [user.id])
    assert stored["k"] == [user.id.bytes + bytes([0] * 7 + [version]) for version in (1, 2)]
    assert set(stored["e"][0]) == {"s", "v", "t", "lane", "d"}


def test_commit_times_never_fall_even_when_the_clock_does(log, database):
    log.save(OPERATOR, new_user())
    ahead = database.commits.find_one({"_id": 1})["at"].replace(year=2099)
    database.commits.update_one({"_id": 1}, {"$set": {"at": ahead}})
    other = Journal(database)
    MongoEventLog(other).save(OPERATOR, new_user())
    other.close()
    log.save(OPERATOR, new_user())
    assert [found["at"] for found in database.commits.find()] == [ahead] * 3


def test_concurrent_commits_share_documents(log, database):
    threads = [threading.Thread(target=lambda: log.save(OPERATOR, new_user())) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.head() == 40
    assert database.commits.count_documents({}) < 40


def test_an_event_of_more_than_256_kb_is_refused(log):
    user = User(id=uuid4(), username=Sealed(key=uuid4(), size=1, box=bytes(200_000)), role=Role.USER, timestamp=NOON)
    with pytest.raises(EventTooLarge, match=r"User.Registered takes \d+ bytes; .* seal large content into chunks"):
        log.save(OPERATOR, user, new_user())
    assert log.head() == 0
    assert log.save(OPERATOR, new_user()) == 1


def test_the_end_of_a_run_fits_into_the_log_however_much_it_may_write():
    """A frame of one byte takes ten in the output as it is sealed."""
    sealed_bytes = 10 * meta("max_output_bytes").le
    output = Sealed(key=uuid4(), size=sealed_bytes, chunks=("0" * 64,) * (sealed_bytes // CHUNK_BYTES + 1))
    finished = Execution.Finished(  # type: ignore[call-arg]
        originator_id=uuid4(),
        originator_version=4,
        timestamp=NOON,
        outcome=Outcome(Status.SUCCEEDED, "it ended"),
        output=output,
    )
    assert envelope.decode(1, envelope.encode(OPERATOR, finished, 0)).data.output == output


def test_a_commit_of_more_events_than_a_document_holds_is_refused(log):
    user = new_user()
    for _ in range(commits.MAX_EVENTS):
        user.log_in(NOON)
    with pytest.raises(ValueError, match="1 to 1000 events, not 1001"):
        log.save(OPERATOR, user)


def test_the_head_is_found_in_few_looks(log, database, monkeypatch):
    monkeypatch.setattr(heads, "NEAR", 2)
    monkeypatch.setattr(heads, "MAX_EVENTS", 4)
    user = new_user()
    for _ in range(300):
        user.log_in(NOON)
        log.save(OPERATOR, user)
    looks = []
    look = heads.Head._last_end
    monkeypatch.setattr(heads.Head, "_last_end", lambda *given: looks.append(given) or look(*given))
    assert heads.Head(database.commits).find() == 301
    assert len(looks) < 40
    assert heads.Head(database.commits, 301).find() == 301


def test_lane_heads_are_found_far_behind_the_head(log, database, monkeypatch):
    monkeypatch.setattr(heads, "RECENT", 4)
    lonely = new_user()
    log.save(OPERATOR, lonely)
    busy = new_user()
    while log._journal.lane_of(busy.id) == log._journal.lane_of(lonely.id):
        busy = new_user()
    for _ in range(30):
        busy.log_in(NOON)
        log.save(OPERATOR, busy)
    other = Journal(database)
    expected = {log._journal.lane_of(lonely.id): 1, log._journal.lane_of(busy.id): log.head()}
    assert MongoEventLog(other).lane_heads() == expected
    assert log.lane_heads() == expected
    other.close()


def test_a_reader_stops_before_a_hole_instead_of_skipping_it(log, database):
    for _ in range(5):
        log.save(OPERATOR, new_user())
    database.commits.delete_one({"_id": 3})
    assert [event.position for event in log.read(0, 10)] == [1, 2]


# Unknown outcomes ---------------------------------------------------------------------------------------------


class Flaky:
    """A collection whose connection breaks at an insert: before it arrives, or after."""

    def __init__(self, real: Any, breaks: list[str]) -> None:
        self._real, self._breaks = real, breaks

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def insert_one(self, document: dict) -> None:
        self._around(lambda: self._real.insert_one(document))

    def insert_many(self, documents: list[dict], ordered: bool) -> None:
        self._around(lambda: self._real.insert_many(documents, ordered=ordered))

    def _around(self, insert: Callable[[], object]) -> None:
        when = self._breaks.pop(0) if self._breaks else "never"
        if when == "before":
            raise AutoReconnect("the connection broke")
        insert()
        if when == "after":
            raise AutoReconnect("the connection broke")


@pytest.mark.parametrize("breaks", [["before"], ["after"], ["before", "after"], ["after", "before", "before"]])
def test_a_broken_connection_stores_a_commit_exactly_once(log, journal, database, breaks):
    log.save(OPERATOR, new_user())
    journal.writer._tail._commits = Flaky(database.commits, list(breaks))
    users = [new_user(), new_user()]
    assert [log.save(OPERATOR, user) for user in users] == [2, 3]
    assert [event.stream for event in log.read(1, 10)] == [user.id for user in users]


@pytest.mark.parametrize("breaks", [["never", "before"], ["never", "after"], ["after", "after", "after"]])
def test_a_broken_connection_in_a_group_with_a_conflict_fails_the_guilty_one_alone(journal, database, breaks):
    log = MongoEventLog(journal)
    taken = new_user()
    log.save(OPERATOR, taken)
    journal.writer._tail._commits = Flaky(database.commits, list(breaks))
    writer = journal.writer
    users = [new_user(), new_user(taken.id), new_user(), new_user()]
    group = [_request(log, user) for user in users]
    writer._store(group)
    outcomes = [request.answer.exception() or request.answer.result() for request in group]
    assert [str(type(one).__name__) for one in outcomes] == ["int", "IntegrityError", "int", "int"]
    assert [event.stream for event in log.read(1, 10)] == [users[0].id, users[2].id, users[3].id]


def _request(log, user):
    return _Request(commits.Commit(log._lines(OPERATOR, user)), Future())


def test_two_of_a_group_that_want_the_same_version_get_one_yes_and_one_no(journal):
    log, first = MongoEventLog(journal), new_user()
    group = [_request(log, first), _request(log, new_user(first.id)), _request(log, new_user())]
    journal.writer._store(group)
    outcomes = [request.answer.exception() or request.answer.result() for request in group]
    assert [type(one).__name__ for one in outcomes] == ["int", "IntegrityError", "int"]
    assert log.head() == 2


def test_a_position_taken_by_another_process_is_no_conflict(journal, database):
    log, other = MongoEventLog(journal), Journal(database)
    log.save(OPERATOR, new_user())
    MongoEventLog(other).save(OPERATOR, new_user())
    log.save(OPERATOR, new_user())
    with pytest.raises(VersionConflict):
        MongoEventLog(other).save(OPERATOR, new_user(log.read(2, 1)[0].stream))
    other.close()
    assert [event.position for event in log.read(0, 10)] == [1, 2, 3]


def test_a_server_that_went_away_is_told_and_found_again(tmp_path):
    with running(secantus(tmp_path), tmp_path) as server:
        client = connect(server.address)
        journal = Journal(client["log"])
        log = MongoEventLog(journal)
        log.save(OPERATOR, new_user())
        server.kill()
        user = new_user()
        with pytest.raises(LogUnavailable):
            log.save(OPERATOR, user)
        with pytest.raises(LogUnavailable):
            log.read(0, 10)
        server.start()
        assert log.save(OPERATOR, user) == 2
        assert [event.position for event in log.read(0, 10)] == [1, 2]
        journal.close()
        client.close()


# Waking -------------------------------------------------------------------------------------------------------


def test_the_bell_rings_for_own_commits_and_for_those_of_others(journal, database):
    heard = journal.bell.wait(0, 2.0)
    MongoEventLog(journal).save(OPERATOR, new_user())
    assert journal.bell.wait(heard, 5.0) > heard
    heard = _quiet(journal, heard)
    other = Journal(database)
    MongoEventLog(other).save(OPERATOR, new_user())
    assert journal.bell.wait(heard, 5.0) > heard
    other.close()


def _quiet(journal, heard):
    while (now := journal.bell.wait(heard, 0.5)) != heard:
        heard = now
    return heard


def test_topics_select_notifications_beyond_one_page(journal):
    log = MongoEventLog(journal)
    for _ in range(20):
        log.save(OPERATOR, new_user())
    late = new_user()
    late.change_role(Role.ADMIN, NOON)
    log.save(OPERATOR, late)
    found = MongoApplicationRecorder(journal).select_notifications(None, 1, topics=["User.RoleChanged"])
    assert [one.id for one in found] == [22]
