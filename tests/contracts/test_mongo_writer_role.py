"""One process writes for all; what each of them remembers of the log is a hint."""

import threading

import pytest
from eventsourcing.persistence import OperationalError

from adapters.mongo.commits.commits import Commit
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.log import MongoEventLog
from adapters.mongo.writing.bell import Bell
from adapters.mongo.writing.sockets import SocketWay
from application.handler import change
from domain.aggregate import DomainError
from domain.user import User
from tests.contracts.event_log import NOON, OPERATOR, new_user
from tests.contracts.handing_over import leading, wait_for


@pytest.fixture
def journal(database):
    opened = Journal(database, bell_of=lambda _: Bell(), ways=[SocketWay()])
    yield opened
    opened.close()


@pytest.fixture
def other(database):
    opened = Journal(database, bell_of=lambda _: Bell(), ways=[SocketWay()])
    yield opened
    opened.close()


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


# A commit that another process may have stored ----------------------------------------------------------------


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


def test_a_second_try_that_does_not_arrive_says_nothing_of_the_first(other, monkeypatch):
    """The old leader may reach the server, and store it yet."""

    def refuse(_):
        raise OperationalError("the server cannot be reached")

    commit = Commit(MongoEventLog(other)._lines(OPERATOR, new_user()))
    commit.is_doubtful = True
    monkeypatch.setattr(other.writer._tail, "place", refuse)
    assert type(other.writer.submit(commit).exception()).__name__ == "OutcomeUnknown"


def commit_again(commit: Commit) -> Commit:
    return Commit(commit.lines, commit.id)


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
