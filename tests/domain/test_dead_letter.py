"""Decisions on parked events are facts, and a reason is never missing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from domain.dead_letter import DeadLetter, ReasonMissing, letters_of

AT = datetime(2026, 1, 1, tzinfo=UTC)
STREAM = UUID(int=7)


def opened() -> DeadLetter:
    letters = DeadLetter(id=letters_of("people", STREAM), projection="people", parked=STREAM, timestamp=AT)
    letters.collect_events()
    return letters


def test_its_events_lie_in_the_lane_of_the_parked_stream():
    assert opened().lane_key == STREAM


def test_every_retry_is_an_event_that_says_what_to_fold():
    letters = opened()
    letters.retry(AT)
    letters.retry(AT)
    events: Sequence[Any] = letters.collect_events()
    assert [(event.projection, event.parked) for event in events] == [("people", STREAM)] * 2


def test_an_event_is_discarded_once_and_with_a_reason():
    letters = opened()
    for reason in ("", "  "):
        with pytest.raises(ReasonMissing):
            letters.discard(3, reason, AT)
    letters.discard(3, "of no use", AT)
    letters.discard(3, "again", AT)
    events: Sequence[Any] = letters.collect_events()
    assert [(event.position, event.reason) for event in events] == [(3, "of no use")]
