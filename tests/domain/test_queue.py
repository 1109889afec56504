"""The queue: who gets a place next, for every mix of people, priorities and ages."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from domain.pool import Places
from domain.queue import AGE, Waiting, choose

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PEOPLE = [UUID(int=number) for number in range(1, 5)]
ANN, BOB, *_ = PEOPLE


def waiting(number: int, owner: UUID = ANN, priority: int = 0, since: datetime = NOW) -> Waiting:
    return Waiting(UUID(int=100 + number), owner, priority, number, since)


def chosen(runs, places=1, of_one=99, held=(), now=NOW) -> list[int]:
    taken = {UUID(int=10_000 + index): owner for index, owner in enumerate(held)}
    return [one.requested for one in choose(runs, taken, Places(places + len(taken), of_one), now)]


def test_the_oldest_comes_first():
    assert chosen([waiting(2), waiting(1), waiting(3)], places=2) == [1, 2]


def test_a_higher_priority_comes_first_whoever_asks():
    assert chosen([waiting(1), waiting(2, BOB, priority=1)], held=[BOB]) == [2]


def test_among_equals_whoever_has_fewer_runs_comes_first():
    assert chosen([waiting(1), waiting(2, BOB)], held=[ANN]) == [2]


def test_one_run_of_somebody_does_not_wait_for_a_thousand_of_another():
    runs = [*(waiting(number) for number in range(1_000)), waiting(1_000, BOB)]
    assert chosen(runs, places=2) == [0, 1_000]


def test_it_does_not_wait_either_where_those_of_the_other_are_old():
    runs = [*(waiting(number, since=NOW - 9 * AGE) for number in range(1_000)), waiting(1_000, BOB)]
    assert chosen(runs, places=2) == [0, 1_000]


def test_whoever_waits_long_enough_comes_before_higher_priorities_that_came_later():
    high = [waiting(number, priority=3) for number in range(10, 20)]
    low = waiting(1, since=NOW - 3 * AGE)
    assert chosen([*high, low]) == [1]
    assert chosen([*high, waiting(1, since=NOW - 2 * AGE)]) == [10]


def test_whoever_has_their_share_is_passed_over():
    assert chosen([waiting(1), waiting(2, BOB)], places=2, of_one=1, held=[ANN]) == [2]


WAITING = st.builds(
    waiting,
    st.integers(1, 40),
    st.sampled_from(PEOPLE),
    st.integers(-2, 2),
    st.integers(0, 300).map(lambda seconds: NOW - timedelta(seconds=seconds)),
)
QUEUES = st.lists(WAITING, max_size=30, unique_by=lambda one: one.requested)


@given(QUEUES, st.integers(0, 6), st.integers(1, 4), st.lists(st.sampled_from(PEOPLE), max_size=6))
def test_nobody_is_passed_over_by_an_equal_or_lesser_one(runs, places, of_one, held):
    taken = {UUID(int=10_000 + index): owner for index, owner in enumerate(held)}
    given_places = Places(places, of_one)
    picked = choose(runs, taken, given_places, NOW)
    assert len(picked) == len({one.execution for one in picked}) <= max(0, places - len(held))
    having = Counter([*held, *(one.owner for one in picked)])
    assert all(having[one.owner] <= of_one for one in picked)
    left = [one for one in runs if one not in picked]
    if len(picked) + len(held) < places:
        assert all(having[one.owner] >= of_one for one in left), "a place stays free while somebody could have it"
    for one in left:
        for other in picked:
            if other.owner == one.owner and other.priority <= one.priority and other.since >= one.since:
                assert other.requested < one.requested, f"{one} was passed over by {other}"


class Machine(RuleBasedStateMachine):
    """A machine that is always full: runs come in, get places, and end."""

    def __init__(self):
        super().__init__()
        self.now = NOW
        self.waiting = {}
        self.held = {}
        self.count = 0
        self.served = Counter()

    @rule(owner=st.sampled_from(PEOPLE), priority=st.integers(0, 3), many=st.integers(1, 5))
    def request(self, owner, priority, many):
        for _ in range(many):
            self.count += 1
            one = waiting(self.count, owner, priority, self.now)
            self.waiting[one.execution] = one

    @rule(seconds=st.integers(1, 120))
    def let_time_pass(self, seconds):
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def end(self, data):
        del self.held[data.draw(st.sampled_from(sorted(self.held)))]

    @rule()
    def place(self):
        before = Counter(self.held.values())
        able = [one for one in self.waiting.values() if before[one.owner] < 2]
        picked = choose(self.waiting.values(), self.held, Places(3, 2), self.now)
        if picked and all(one.priority == 0 for one in self.waiting.values()):
            assert before[picked[0].owner] == min(before[one.owner] for one in able), "somebody had fewer runs"
        for one in picked:
            self.held[one.execution] = one.owner
            del self.waiting[one.execution]

    @rule()
    def everybody_is_served_in_the_end(self):
        """One ends at a time, and higher ones come in each time: whoever waits now gets a place."""
        for one in list(self.waiting):
            for _ in range(200):
                if one not in self.waiting:
                    break
                self.now += AGE
                self.request(ANN, 3, 1)
                self.held = dict(list(self.held.items())[1:])
                self.place()
            assert one not in self.waiting

    @invariant()
    def nobody_has_more_than_there_is(self):
        assert len(self.held) <= 3
        assert max(Counter(self.held.values()).values(), default=0) <= 2


TestMachine = Machine.TestCase
