"""What every way promises that leads to the process which writes for all.

A commit that is handed over is stored once and grouped with the rest, whoever dies or hangs; and each caller is told of
his own.
"""

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest

from adapters.mongo import leases
from adapters.mongo.commits.commits import MAX_EVENTS, Commit, Line
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.log import MongoEventLog
from adapters.mongo.writing import handover
from adapters.mongo.writing.bell import Bell
from adapters.mongo.writing.wire import Answer
from application.ports.log import VersionConflict
from tests.contracts.event_log import NOON, OPERATOR, new_user
from tests.ways import way

ROOT = Path(__file__).parents[2]
SOON_SECONDS = 3.0
"""Whoever waits for a role looks at it once a second. It is half of a term, so nobody has waited for that."""


@contextmanager
def leading(journal: Journal):
    """This one writes for the others."""
    stop = threading.Event()
    thread = threading.Thread(target=journal.leadership.run, args=(stop,))
    thread.start()
    try:
        wait_for(lambda: _can_be_reached(journal))
        yield
    finally:
        stop.set()
        thread.join()


def _can_be_reached(journal: Journal) -> bool:
    return journal.leadership.is_held and journal.database.leases.find_one({"_id": "writer"})["state"] != {}


def wait_for(condition, seconds: float = 10.0) -> None:
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline
        threading.Event().wait(0.01)


def line() -> Line:
    return Line(new_user().id, 1, "User.Registered", 0, b"{}")


class HandoverContract:
    @pytest.fixture
    def word(self) -> str:
        """The way under test, as `tests.ways` takes it."""
        raise NotImplementedError

    @pytest.fixture
    def opened(self, database, word):
        """Opens the store as another process would."""
        journals = []

        def open_journal() -> Journal:
            journals.append(Journal(database, bell_of=lambda _: Bell(), ways=[way(word)]))
            return journals[-1]

        yield open_journal
        for journal in journals:
            journal.close()

    @pytest.fixture
    def journal(self, opened):
        return opened()

    @pytest.fixture
    def other(self, opened):
        return opened()

    @pytest.fixture
    def placed(self, other, monkeypatch):
        """What the process that should hand over stores by itself."""
        own: list[Commit] = []
        store = other.writer.store
        monkeypatch.setattr(other.writer, "store", lambda commit: own.append(commit) or store(commit))
        return own

    @pytest.fixture
    def leader(self, mongo_server, database, word):
        """Starts another process that leads, and does this with what it is handed."""
        started = []

        def start(does: str) -> subprocess.Popen[str]:
            module = [sys.executable, "-m", "tests.contracts.leading"]
            command = [*module, mongo_server.address, database.name, word, does]
            started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT))
            assert started[-1].stdout.readline() == "leads\n"
            return started[-1]

        yield start
        for process in started:
            process.kill()
            process.wait()

    # A leader that answers ------------------------------------------------------------------------------------

    def test_commits_are_handed_over_and_grouped(self, journal, other, placed, database):
        log = MongoEventLog(other)
        with leading(journal), ThreadPoolExecutor(16) as callers:
            users = [new_user() for _ in range(200)]
            positions = sorted(callers.map(lambda user: log.save(OPERATOR, user), users))
        assert positions == list(range(1, 201))
        assert not placed
        assert database.commits.count_documents({}) < 200

    def test_in_a_crowd_the_one_who_caused_a_conflict_is_told_of_it_and_nobody_else(self, journal, other, placed):
        logs, taken = [MongoEventLog(journal), MongoEventLog(other)], new_user()
        logs[0].save(OPERATOR, taken)

        def save(number: int) -> bool:
            """Every fifth one is in conflict."""
            try:
                logs[number % 2].save(OPERATOR, new_user(None if number % 5 else taken.id))
            except VersionConflict:
                return False
            return True

        with leading(journal), ThreadPoolExecutor(20) as callers:
            assert list(callers.map(save, range(200))) == [number % 5 != 0 for number in range(200)]
        assert [event.position for event in logs[0].read(0, 1_000)] == list(range(1, 162))
        assert len(placed) < 10, "who cannot connect at a busy moment stores for himself"

    @pytest.mark.parametrize("error", ["IntegrityError", "OutcomeUnknown", "OperationalError"])
    def test_errors_arrive_as_what_they_are(self, error):
        outcome = Answer(Commit([line()]).id, error=error, message="why").outcome()
        assert (type(outcome).__name__, str(outcome)) == (error, "why")

    def test_large_commits_are_stored_by_whoever_makes_them(self, journal, other, placed):
        large = Commit([Line(new_user().id, 1, "User.Registered", 0, bytes(8_000)) for _ in range(MAX_EVENTS)])
        with leading(journal):
            assert other.append(large.lines) == 1
        assert len(placed) == 1
        assert not placed[0].is_doubtful

    # Nobody leads ---------------------------------------------------------------------------------------------

    def test_with_nobody_leading_everybody_writes_for_himself(self, other, placed):
        assert MongoEventLog(other).save(OPERATOR, new_user()) == 1
        assert len(placed) == 1

    def test_a_leader_that_is_gone_is_missed_by_nobody_and_found_again(self, journal, other, placed):
        log = MongoEventLog(other)
        with leading(journal):
            log.save(OPERATOR, new_user())
        log.save(OPERATOR, new_user())
        assert len(placed) == 1
        with leading(journal):
            wait_for(lambda: (log.save(OPERATOR, new_user()), len(placed) < log.head() - 1)[1])
        assert [event.position for event in log.read(0, 1000)] == list(range(1, log.head() + 1))

    def test_what_was_taken_before_the_leader_went_is_answered(self, journal, other, placed):
        """Its desk closes while commits come; none of them is doubtful longer than it takes to look."""
        log, count = MongoEventLog(other), 0
        with ThreadPoolExecutor(8) as callers:
            with leading(journal):
                saving = [callers.submit(lambda: log.save(OPERATOR, new_user())) for _ in range(200)]
                wait_for(lambda: log.head() > 20)
            positions = sorted(one.result() for one in saving)
            count = len(positions)
        assert positions == list(range(1, count + 1))

    # A leader that does not answer ----------------------------------------------------------------------------

    @pytest.mark.parametrize("does", ["stores", "forgets"])
    def test_what_a_killed_leader_took_is_found_or_stored(self, leader, other, placed, does):
        """Between taking and answering; its end is noticed, so nobody waits as long as for one that hangs."""
        log, process = MongoEventLog(other), leader(does)
        begun = monotonic()
        with ThreadPoolExecutor(1) as caller:
            saving = caller.submit(log.save, OPERATOR, new_user())
            assert process.stdout.readline() == f"{does}\n"
            process.kill()
            assert saving.result() == 1
        assert monotonic() - begun < handover.ANSWER_SECONDS
        assert log.head() == 1
        assert [commit.is_doubtful for commit in placed] == [True]

    def test_a_killed_leader_is_replaced_soon_and_meanwhile_nobody_fails(self, leader, journal, other, placed):
        """With the term that it has in the product: on one machine nobody waits for it."""
        log, process, stop, positions = MongoEventLog(other), leader("answers"), threading.Event(), []

        def save() -> None:
            while not stop.wait(0.01):
                positions.append(log.save(OPERATOR, new_user()))

        with ThreadPoolExecutor(5) as threads:
            threads.submit(journal.leadership.run, stop)
            saving = [threads.submit(save) for _ in range(4)]
            try:
                wait_for(lambda: len(positions) > 50)
                before = len(placed)  # on a busy machine a leader may answer too late
                assert before < len(positions) / 2
                process.kill()
                killed = monotonic()
                wait_for(lambda: journal.leadership.is_held)
                assert monotonic() - killed < SOON_SECONDS
                assert len(placed) > before
                wait_for(lambda: not other._handover._line.is_dead)
            finally:
                stop.set()
            for one in saving:
                one.result()
        assert sorted(positions) == list(range(1, len(positions) + 1))

    def test_a_silent_leader_is_not_waited_for_and_its_late_write_is_void(self, leader, journal, other, monkeypatch):
        monkeypatch.setattr(handover, "ANSWER_SECONDS", 0.3)
        log, user, handed = MongoEventLog(other), new_user(), []
        hand = other._handover.hand
        monkeypatch.setattr(other._handover, "hand", lambda commit: handed.append(commit) or hand(commit))
        leader("forgets")
        assert log.save(OPERATOR, user) == 1
        late = journal.writer.submit(Commit(handed[0].lines, handed[0].id))
        assert type(late.exception()).__name__ == "IntegrityError"
        assert log.head() == 1

    def test_nobody_waits_twice_for_a_leader_that_hangs(self, leader, other, placed, monkeypatch):
        monkeypatch.setattr(handover, "ANSWER_SECONDS", 0.3)
        leader("forgets")
        for _ in range(3):
            MongoEventLog(other).save(OPERATOR, new_user())
        assert [commit.is_doubtful for commit in placed] == [True, False, False]

    def test_a_leader_that_was_stopped_past_its_term_does_no_harm(self, leader, journal, other, placed, monkeypatch):
        """It wakes up with commits that were stored by others since, and in a role that another one plays."""
        monkeypatch.setattr(handover, "ANSWER_SECONDS", 0.3)
        monkeypatch.setattr(leases, "TERM_SECONDS", 1.0)
        log, old = MongoEventLog(other), leader("answers")
        user = new_user()
        log.save(OPERATOR, user)
        assert not placed
        old.send_signal(signal.SIGSTOP)
        user.log_in(NOON)
        log.save(OPERATOR, user)
        assert [commit.is_doubtful for commit in placed] == [True]
        with leading(journal):
            wait_for(lambda: (log.save(OPERATOR, new_user()), not placed or placed.clear())[1] is True)
            old.send_signal(signal.SIGCONT)
            positions = [log.save(OPERATOR, new_user()) for _ in range(20)]
            assert not placed
        assert positions == list(range(positions[0], positions[0] + 20))
        assert [event.position for event in log.read(0, 1_000)] == list(range(1, positions[-1] + 1))
        assert [event.version for event in log.history(user.id)] == [1, 2]
