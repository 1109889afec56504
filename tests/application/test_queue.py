"""What waits, though it is told of early, late and twice."""

from datetime import UTC, datetime
from uuid import UUID

from application import queue
from application.queue import Hint, Queue
from domain.queue import Waiting

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Stored:
    """The read model, which lags."""

    def __init__(self) -> None:
        self.runs: list[Waiting] = []

    def waiting(self) -> list[Waiting]:
        return self.runs


def waiting(number: int) -> Waiting:
    return Waiting(UUID(int=number), UUID(int=1), 0, number, NOW)


def requested(number: int) -> Hint:
    return Hint(UUID(int=number), waiting(number))


def runs(told: Queue) -> set[int]:
    return {one.requested for one in told.waiting()}


def test_a_run_that_was_given_a_place_waits_no_more_when_its_request_comes_by_later():
    stored = Stored()
    told = Queue(stored)
    told.hear([requested(1), requested(2)])
    told.forget([UUID(int=1)])
    told.hear([requested(1)])
    stored.runs = [waiting(1), waiting(3)]
    told.look()
    assert runs(told) == {2, 3}


def test_a_request_that_comes_by_again_keeps_the_priority_that_was_given_meanwhile():
    told = Queue(Stored())
    told.hear([requested(1), Hint(UUID(int=1), priority=7), requested(1)])
    assert [one.priority for one in told.waiting()] == [7]


def test_it_does_not_remember_for_ever(monkeypatch):
    monkeypatch.setattr(queue, "MOST_GONE", 2)
    told = Queue(Stored())
    told.forget([UUID(int=number) for number in (1, 2, 3)])
    told.hear([requested(number) for number in (1, 2, 3)])
    assert runs(told) == {1}
