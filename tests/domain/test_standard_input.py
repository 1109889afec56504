"""Input while a run goes on: each byte has its place, there is a most, and nothing follows an end."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from domain.execution import Execution, ExecutionEnded
from domain.sealed import Sealed
from domain.standard_input import (
    BYTES,
    PIECES,
    InputElsewhere,
    InputEnded,
    InputNotAskedFor,
    StandardInput,
    TooMuchInput,
)
from tests.domain.test_execution import AT, requested


def sealed(size: int) -> Sealed[bytes]:
    return Sealed(key=UUID(int=3), size=size, box=b"x")


def give(run: Execution, size: int, is_last: bool = False) -> None:
    run.give_input(sealed(size) if size else None, size, is_last, AT)


def given(run: Execution) -> list[tuple[int, int, bool]]:
    """Where each piece begins, how long it is, and whether it is the last."""
    events: Sequence[Any] = run.collect_events()
    return [(event.offset, event.size, event.is_last) for event in events]


def test_each_piece_is_given_where_the_one_before_ended():
    run = requested(stdin_open=True)
    for size in (5, 7, 1):
        give(run, size)
    give(run, 0, is_last=True)
    assert given(run) == [(0, 5, False), (5, 7, False), (12, 1, False), (13, 0, True)]


def test_a_run_takes_no_input_unless_it_was_asked_for():
    with pytest.raises(InputNotAskedFor, match="`stdin_open`"):
        give(requested(), 1)


def test_input_that_was_ended_takes_no_more():
    run = requested(stdin_open=True)
    give(run, 5, is_last=True)
    for size in (0, 1):
        with pytest.raises(InputEnded, match="nothing can be added"):
            give(run, size, is_last=True)


def test_a_run_that_has_ended_takes_no_more():
    run = requested(stdin_open=True)
    run.cancel(AT)
    with pytest.raises(ExecutionEnded):
        give(run, 1)


@pytest.mark.parametrize("offset", [0, 4, 6])
def test_another_offset_is_refused_with_the_one_that_is_expected(offset):
    run = requested(stdin_open=True)
    give(run, 5)
    with pytest.raises(InputElsewhere, match=f"goes on at offset 5, not at {offset}"):
        run.check_input(1, offset)
    run.check_input(1, 5)


def test_what_came_with_the_request_counts_too():
    run = requested(stdin_open=True)
    assert run.input == StandardInput(is_asked_for=True, first=0)
    full = Execution(
        id=run.id, owner=run.owner, language="python", version="3.11", script=run.script, stdin=sealed(BYTES - 10),
        limits=run.limits, fingerprint="f", timestamp=datetime(2026, 1, 1, tzinfo=UTC), stdin_open=True,
    )  # fmt: skip
    full.collect_events()
    give(full, 10)
    with pytest.raises(TooMuchInput, match=r"has 1,000,000 bytes of input; with 1 more it has over 1,000,000"):
        give(full, 1)
    give(full, 0, is_last=True)
    assert given(full) == [(0, 10, False), (10, 0, True)]


def test_so_many_pieces_are_the_most_and_the_end_still_comes():
    last = StandardInput(is_asked_for=True, first=0, bytes=PIECES, pieces=PIECES)
    with pytest.raises(TooMuchInput, match="5,000 times"):
        last.check(1, None)
    last.check(0, None)


@pytest.mark.parametrize("is_ended", [True, False])
def test_a_run_that_is_repeated_takes_more_input_where_that_of_the_first_had_not_ended(is_ended: bool):
    run = requested(stdin_open=True)
    give(run, 5, is_last=is_ended)
    run.cancel(AT)
    again = run.again(UUID(int=9), "g", AT, Sealed(UUID(int=1), 5))
    assert again.input == StandardInput(is_asked_for=not is_ended, first=5)


class InputMachine(RuleBasedStateMachine):
    """Whatever is given in whatever order: the pieces are one text without a hole, never too long, ended once."""

    def __init__(self):
        super().__init__()
        self.run = requested(stdin_open=True)
        self.events = []

    @rule(size=st.sampled_from([0, 1, 1000, 400_000]), is_last=st.booleans(), offset=st.none() | st.just(0))
    def give(self, size, is_last, offset):
        try:
            self.run.check_input(size, offset)
            give(self.run, size, is_last)
        except (InputEnded, InputElsewhere, TooMuchInput):
            return
        self.events += self.run.collect_events()

    @invariant()
    def the_pieces_follow_one_another(self):
        assert [event.offset for event in self.events] == [
            sum(earlier.size for earlier in self.events[:index]) for index in range(len(self.events))
        ]
        assert sum(event.size for event in self.events) <= BYTES

    @invariant()
    def nothing_follows_the_last(self):
        assert not any(event.is_last for event in self.events[:-1])


TestInputMachine = InputMachine.TestCase
