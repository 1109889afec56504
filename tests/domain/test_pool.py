"""The pool: no more places than there are, none lost, whatever is decided in whatever order."""

from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from domain import pool as pools
from domain.pool import NoPlace, Places, Reservation, opened, pool_of

AT = datetime(2026, 1, 1, tzinfo=UTC)
PLACES = Places(at_once=4, of_one=2)
ANN, BOB = UUID(int=1), UUID(int=2)


def place(number: int, owner: UUID = ANN) -> Reservation:
    return Reservation(UUID(int=100 + number), owner)


def events_of(pool) -> list[str]:
    return [type(event).__name__ for event in pool.collect_events()]


def empty():
    pool = opened(1, {}, AT)
    pool.collect_events()
    return pool


def test_a_place_kept_twice_is_kept_once():
    pool = empty()
    pool.reserve([place(1)], PLACES, AT)
    pool.reserve([place(1)], PLACES, AT)
    assert events_of(pool) == ["Reserved"]


def test_a_place_given_back_twice_is_given_back_once():
    pool = empty()
    pool.reserve([place(1)], PLACES, AT)
    pool.release([place(1).execution], AT)
    pool.release([place(1).execution, place(2).execution], AT)
    assert events_of(pool) == ["Reserved", "Released"]
    assert pool.held == {}


def test_more_places_than_there_are_are_refused_and_then_none_is_kept():
    pool = empty()
    with pytest.raises(NoPlace, match="All places are taken"):
        pool.reserve([place(number, UUID(int=number)) for number in range(5)], PLACES, AT)
    assert (events_of(pool), pool.held) == ([], {})


def test_one_person_has_no_more_than_their_share():
    pool = empty()
    pool.reserve([place(1), place(2)], PLACES, AT)
    with pytest.raises(NoPlace):
        pool.reserve([place(3)], PLACES, AT)
    pool.reserve([place(3, BOB)], PLACES, AT)


def test_a_long_pool_goes_on_in_a_new_stream_with_what_is_held(monkeypatch):
    monkeypatch.setattr(pools, "LONG_EVENTS", 2)
    pool = empty()
    assert not pool.is_long
    pool.reserve([place(1)], PLACES, AT)
    assert pool.is_long
    further = pool.continued(AT)
    assert (pool.is_continued, further.id, further.held) == (True, pool_of(2), pool.held)


class PoolMachine(RuleBasedStateMachine):
    """Against a plain dictionary."""

    def __init__(self):
        super().__init__()
        self.pool = opened(1, {}, AT)
        self.events = list(self.pool.collect_events())
        self.held = {}

    @rule(runs=st.lists(st.integers(1, 9), unique=True, max_size=5), owner=st.sampled_from([ANN, BOB]))
    def reserve(self, runs, owner):
        wanted = {place(run).execution: owner for run in runs}
        then = {**wanted, **self.held}
        try:
            self.pool.reserve([Reservation(*one) for one in wanted.items()], PLACES, AT)
        except NoPlace:
            assert len(then) > PLACES.at_once or max(Counter(then.values()).values()) > PLACES.of_one
        else:
            self.held = then
        self.events += self.pool.collect_events()

    @rule(runs=st.lists(st.integers(1, 9), unique=True, max_size=5))
    def release(self, runs):
        gone = {place(run).execution for run in runs}
        self.pool.release(gone, AT)
        self.held = {run: owner for run, owner in self.held.items() if run not in gone}
        self.events += self.pool.collect_events()

    @rule()
    def go_on(self):
        self.pool = self.pool.continued(AT)
        self.events = list(self.pool.collect_events())

    @invariant()
    def it_holds_what_was_kept_and_not_given_back(self):
        assert self.pool.held == self.held
        assert len(self.held) <= PLACES.at_once

    @invariant()
    def its_events_make_the_same_pool(self):
        folded = None
        for event in self.events:
            folded = event.mutate(folded)
        assert folded == self.pool


TestPoolMachine = PoolMachine.TestCase
