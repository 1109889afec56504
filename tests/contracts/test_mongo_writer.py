"""A caller who is alone stores his commit himself; as soon as others come, one thread groups what all want stored."""

import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from eventsourcing.persistence import IntegrityError, OperationalError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.mongo.commits.commits import Commit, Line
from tests.faults.processes import wait_until

WRITER = "writer"


def commit(stream=None):
    return Commit([Line(stream or uuid4(), 1, "Happened", 0, b"{}")])


class Watched:
    """The log's collection; what stands in `around` is called with each insert."""

    def __init__(self, commits) -> None:
        self._commits = commits
        self.threads: list[str] = []
        self.around: Callable[[Callable[[], object]], object] = lambda insert: insert()

    def __getattr__(self, name: str) -> object:
        return getattr(self._commits, name)

    def insert_one(self, document: dict) -> None:
        self.threads.append(threading.current_thread().name)
        self.around(lambda: self._commits.insert_one(document))


class Held:
    """Lets an insert begin, and go on when it is told."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.may_go_on = threading.Event()

    def __call__(self, insert) -> None:
        self.has_begun.set()
        assert self.may_go_on.wait(10)
        insert()


@pytest.fixture
def writer(journal):
    return journal.writer


@pytest.fixture
def commits(writer):
    watched = writer._tail._commits = Watched(writer._tail._commits)
    return watched


@pytest.fixture
def held(commits):
    """The next inserts are held."""
    commits.around = Held()
    return commits.around


@pytest.fixture
def callers():
    with ThreadPoolExecutor(16, "caller") as pool:
        yield pool


def stored(journal):
    return [line.stream for _, line in journal.reading.after(0, 10_000)]


def streams(some):
    return [one.lines[0].stream for one in some]


def test_a_lone_caller_needs_no_other_thread(writer, commits):
    assert [writer.store(commit()) for _ in range(3)] == [1, 2, 3]
    assert commits.threads == [threading.current_thread().name] * 3


def test_who_comes_meanwhile_is_grouped_by_the_writers_thread(journal, writer, commits, held, callers):
    first = callers.submit(writer.store, commit())
    assert held.has_begun.wait(10)
    others = [callers.submit(writer.store, commit()) for _ in range(5)]
    wait_until(lambda: writer._requests.qsize() == 4 and writer._is_busy, "the others")
    held.may_go_on.set()
    assert first.result() == 1
    assert sorted(other.result() for other in others) == [2, 3, 4, 5, 6]
    assert commits.threads[1:] == [WRITER]
    assert len(stored(journal)) == 6


def test_after_many_callers_one_is_alone_again(writer, commits, callers):
    list(callers.map(writer.store, [commit() for _ in range(64)]))
    for _ in range(32):
        writer.store(commit())
    assert commits.threads[-1] == threading.current_thread().name


def test_a_caller_who_stores_one_after_the_other_overtakes_nobody(writer, commits, held, callers):
    def two_in_a_row() -> tuple[int, int]:
        return writer.store(commit()), writer.store(commit())

    for _ in range(20):
        eager = callers.submit(two_in_a_row)
        assert held.has_begun.wait(10)
        patient = callers.submit(writer.store, commit())
        wait_until(lambda: writer._is_busy, "the other one")
        held.may_go_on.set()
        before, after = eager.result()
        assert before < patient.result() < after
        writer.store(commit())  # the writer expects one caller again
        writer.store(commit())
        held.has_begun.clear()
        held.may_go_on.clear()


def test_a_lone_caller_is_told_of_his_conflict(journal, writer, commits):
    stream = uuid4()
    assert writer.store(commit(stream)) == 1
    with pytest.raises(IntegrityError):
        writer.store(commit(stream))
    assert writer.store(commit()) == 2
    assert len(stored(journal)) == 2


def test_closing_waits_for_a_lone_caller(journal, writer, commits, held, callers):
    storing = callers.submit(writer.store, commit())
    assert held.has_begun.wait(10)
    closing = callers.submit(writer.close)
    wait_until(lambda: not writer._thread.is_alive(), "the end of the writer's thread")
    assert not closing.done()
    held.may_go_on.set()
    closing.result(10)
    assert storing.result() == 1
    with pytest.raises(OperationalError, match="the event log is closed"):
        writer.store(commit())


@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_an_interrupted_caller_wanted_is_stored_once(journal, writer, commits, moment):
    """By the writer's thread, as it would have been had he waited for that."""

    def interrupted(insert) -> None:
        commits.around = lambda insert: insert()
        if moment == "after":
            insert()
        signal.raise_signal(signal.SIGINT)

    wanted = [commit() for _ in range(3)]
    writer.store(wanted[0])
    commits.around = interrupted
    with pytest.raises(KeyboardInterrupt):
        writer.store(wanted[1])
    wait_until(lambda: journal.head.find() == 2, "the interrupted commit")
    assert writer.store(wanted[2]) == 3
    assert stored(journal) == streams(wanted)
    assert [position for position, _ in journal.recent.after(2)] == [3]


phases = st.lists(st.tuples(st.sampled_from([1, 1, 2, 3, 16]), st.integers(1, 20)), min_size=1, max_size=6)
"""How many callers there are, and how many commits they store together."""


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(phases, st.integers(0, 3))
def test_as_callers_come_and_go_each_is_told_the_truth(journal, callers, phases, clashes):
    """Where several want the same version, one gets it."""
    writer, before = journal.writer, len(stored(journal))
    answers: dict[int, Commit] = {}
    refused: list[Commit] = []

    def store(one: Commit) -> None:
        try:
            answers[writer.store(one)] = one
        except IntegrityError:
            refused.append(one)

    for number, size in phases:
        wanted = [commit() for _ in range(size)]
        wanted += [commit(wanted[0].lines[0].stream) for _ in range(clashes)]
        parts = [wanted[part::number] for part in range(number)]
        list(callers.map(lambda part: [store(one) for one in part], parts))
    assert len(refused) == clashes * len(phases)
    assert sorted(answers) == list(range(before + 1, before + 1 + sum(size for _, size in phases)))
    assert stored(journal)[before:] == streams(answers[position] for position in sorted(answers))
