"""One process writes for all: what is handed over is stored once, whoever dies or hangs, and grouped with the rest."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from time import monotonic

import pytest

from adapters.mongo import handover, wire
from adapters.mongo.bell import Bell
from adapters.mongo.commits import Commit
from adapters.mongo.journal import Journal
from adapters.mongo.leases import Lease
from adapters.mongo.log import MongoEventLog
from application.handler import change
from application.ports import VersionConflict
from domain.aggregate import DomainError
from domain.user import User
from tests.contracts.event_log import NOON, OPERATOR, new_user


@contextmanager
def leading(journal: Journal):
    """This one writes for the others."""
    stop = threading.Event()
    thread = threading.Thread(target=journal.leadership.run, args=(stop,))
    thread.start()
    wait_for(lambda: _can_be_reached(journal))
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _can_be_reached(journal: Journal) -> bool:
    return journal.leadership.is_held and "socket" in journal.database.leases.find_one({"_id": "writer"})["state"]


def wait_for(condition) -> None:
    deadline = monotonic() + 10
    while not condition():
        assert monotonic() < deadline
        threading.Event().wait(0.01)


@pytest.fixture
def journal(database):
    opened = Journal(database, bell_of=lambda _: Bell())
    yield opened
    opened.close()


@pytest.fixture
def other(database):
    opened = Journal(database, bell_of=lambda _: Bell())
    yield opened
    opened.close()


@pytest.fixture
def placed(other, monkeypatch):
    """What the process that should hand over stores by itself."""
    own: list[Commit] = []
    submit = other.writer.submit
    monkeypatch.setattr(other.writer, "submit", lambda commit: own.append(commit) or submit(commit))
    return own


def test_commits_are_handed_over_and_grouped(journal, other, placed, database):
    log = MongoEventLog(other)
    with leading(journal), ThreadPoolExecutor(16) as callers:
        users = [new_user() for _ in range(200)]
        positions = sorted(callers.map(lambda user: log.save(OPERATOR, user), users))
    assert positions == list(range(1, 201))
    assert not placed
    assert database.commits.count_documents({}) < 200


def test_a_conflict_is_told_to_the_one_who_caused_it(journal, other, placed):
    log, first = MongoEventLog(other), new_user()
    with leading(journal):
        log.save(OPERATOR, first)
        with pytest.raises(VersionConflict):
            log.save(OPERATOR, new_user(first.id))
    assert log.head() == 1
    assert not placed


def test_with_nobody_leading_everybody_writes_for_himself(other, placed):
    assert MongoEventLog(other).save(OPERATOR, new_user()) == 1
    assert len(placed) == 1


def test_a_leader_that_is_gone_is_missed_by_nobody_and_found_again(journal, other, placed):
    log = MongoEventLog(other)
    with leading(journal):
        log.save(OPERATOR, new_user())
    log.save(OPERATOR, new_user())
    assert len(placed) == 1
    with leading(journal):
        wait_for(lambda: (log.save(OPERATOR, new_user()), len(placed) < log.head() - 1)[1])
    assert [event.position for event in log.read(0, 1000)] == list(range(1, log.head() + 1))


def test_one_at_a_time_leads_and_the_next_takes_over_what_was_given_up(journal, other):
    with leading(journal):
        stop = threading.Event()
        waiting = threading.Thread(target=other.leadership.run, args=(stop,))
        waiting.start()
        assert not stop.wait(0.3)
        assert not other.leadership.is_held
    wait_for(lambda: other.leadership.is_held)
    stop.set()
    waiting.join()


# A leader that does not answer --------------------------------------------------------------------------------


class Broken:
    """Takes a commit, stores it before, after, or never, and ends the connection without an answer."""

    def __init__(self, journal: Journal, when: str) -> None:
        self._journal = journal
        self._when = when
        self._socket = socket.socket(socket.AF_UNIX)
        self.took: Commit | None = None
        self._thread = threading.Thread(target=self._take)

    def __enter__(self):
        self._socket.bind(wire.address(self._when))
        self._socket.listen()
        lease = Lease(self._journal.database, "writer")
        lease.acquire()
        lease.keep({"socket": self._when})
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join()
        self._socket.close()

    def _take(self) -> None:
        self._connection, _ = self._socket.accept()
        handed = wire.receive(self._connection, wire.Handed)
        self.took = Commit(handed.lines, handed.id)
        if self._when == "stored":
            self._journal.writer.submit(self.took).result()
        if self._when != "hangs":
            self._connection.close()


def test_what_was_stored_without_an_answer_is_found(journal, other):
    log = MongoEventLog(other)
    with Broken(journal, "stored"):
        assert log.save(OPERATOR, new_user()) == 1
    assert log.head() == 1


def test_what_was_not_stored_is_stored(journal, other):
    log = MongoEventLog(other)
    with Broken(journal, "lost"):
        assert log.save(OPERATOR, new_user()) == 1
    assert log.head() == 1


def test_a_leader_that_hangs_is_not_waited_for_and_its_late_write_is_void(journal, other, monkeypatch):
    monkeypatch.setattr(handover, "ANSWER_SECONDS", 0.2)
    log, user = MongoEventLog(other), new_user()
    with Broken(journal, "hangs") as broken:
        assert log.save(OPERATOR, user) == 1
    late = journal.writer.submit(broken.took)
    assert type(late.exception()).__name__ == "IntegrityError"
    assert log.head() == 1


def test_a_write_that_overtakes_the_second_try_is_its_success(journal, other):
    """The old leader stores it between the look and the insert."""
    commit = Commit(MongoEventLog(other)._lines(OPERATOR, new_user()))
    commit.is_doubtful = True
    find, looks = other.writer._tail._find, []

    def overtaken(looked_for):
        found = find(looked_for)
        if not looks:
            journal.writer.submit(commit_again(commit)).result()
        looks.append(found)
        return found

    other.writer._tail._find = overtaken
    assert other.writer.submit(commit).result() == 1
    assert looks == [0, 1]


def test_a_conflict_of_a_second_try_is_a_conflict(journal, other):
    user = new_user()
    MongoEventLog(journal).save(OPERATOR, user)
    commit = Commit(MongoEventLog(other)._lines(OPERATOR, new_user(user.id)))
    commit.is_doubtful = True
    assert type(other.writer.submit(commit).exception()).__name__ == "IntegrityError"


def commit_again(commit: Commit) -> Commit:
    return Commit(commit.lines, commit.id)


@pytest.mark.parametrize("error", ["IntegrityError", "OutcomeUnknown", "OperationalError"])
def test_errors_arrive_as_what_they_are(error):
    outcome = wire.Answer(Commit([line()]).id, error=error, message="why").outcome()
    assert (type(outcome).__name__, str(outcome)) == (error, "why")


def line():
    return wire.Line(new_user().id, 1, "User.Registered", 0, b"{}")


def test_a_stranger_is_not_served(journal, monkeypatch):
    monkeypatch.setattr(wire, "is_own", lambda _: False)
    with leading(journal):
        name = journal.database.leases.find_one({"_id": "writer"})["state"]["socket"]
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(wire.address(name))
            with suppress(BrokenPipeError):  # he may be turned away before he has spoken
                connection.sendall(wire.frame(wire.Handed(Commit([line()]).id, [line()])))
            assert wire.receive(connection, wire.Answer) is None
    assert journal.head.find() == 0


# What this process remembers ----------------------------------------------------------------------------------


def test_a_decision_on_old_memory_is_decided_anew(journal, other):
    log, user = MongoEventLog(journal), new_user()
    log.save(OPERATOR, user)
    change(MongoEventLog(other), OPERATOR, User, user.id, lambda user: user.log_in(NOON))
    assert log.recall(User, user.id).version == 1
    changed, position = change(log, OPERATOR, User, user.id, lambda user: user.log_in(NOON))
    assert (changed.version, position) == (3, 3)


def test_a_refusal_on_old_memory_is_decided_anew(journal, other):
    class OnlyLater(DomainError):
        """Not yet."""

    def decide(user):
        if user.version < 2:
            raise OnlyLater
        user.log_in(NOON)

    log, user = MongoEventLog(journal), new_user()
    log.save(OPERATOR, user)
    change(MongoEventLog(other), OPERATOR, User, user.id, lambda user: user.log_in(NOON))
    assert change(log, OPERATOR, User, user.id, decide)[1] == 3


def test_a_stream_with_a_hole_in_memory_is_read(journal, other):
    log, user = MongoEventLog(journal), new_user()
    log.save(OPERATOR, user)
    for _ in range(2):
        user.log_in(NOON)
        MongoEventLog(other).save(OPERATOR, user)
    log.remember(MongoEventLog(other).history(user.id)[2:])
    assert [event.version for event in log.recall_history(user.id)] == [1, 2, 3]


def test_the_relay_reads_its_own_processs_commits_from_memory(journal, database):
    log = MongoEventLog(journal)
    log.save(OPERATOR, new_user(), new_user())
    log.save(OPERATOR, new_user())
    database.commits.drop()
    assert [position for position, _ in journal.recent.after(1)] == [2, 3]
    assert [position for position, _ in journal.recent.after(0)] == [1, 2, 3]


def test_what_another_process_wrote_in_between_is_read_from_the_store(journal, other):
    log = MongoEventLog(journal)
    for writer in (journal, other, journal):
        MongoEventLog(writer).save(OPERATOR, new_user())
    assert not journal.recent.after(0)
    assert [position for position, _ in journal.recent.after(2)] == [3]
    assert [event.position for event in log.read(0, 10)] == [1, 2, 3]
