"""Going on with parked events, once somebody has decided on them."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from application.ports.log import EventLog, Recorded
from domain.dead_letter import DeadLetter
from projections.store import Move, ReadModels
from projections.track import Track

Part: TypeAlias = tuple[Sequence[Recorded], Recorded | None]
"""Events, and the decision behind them."""


def in_parts(track: Track, events: Sequence[Recorded]) -> Sequence[Part]:
    """The events cut behind each decision on letters of this projection; empty where there is none."""
    decisions = [index for index, event in enumerate(events) if _concerns(track, event)]
    return list(_parts(events, decisions)) if decisions else ()


def _concerns(track: Track, event: Recorded) -> bool:
    match event.data:
        case DeadLetter.RetryRequested() | DeadLetter.Discarded():
            return event.position > track.folded and event.data.projection == track.projection.name
    return False


def _parts(events: Sequence[Recorded], decisions: Sequence[int]) -> Iterator[Part]:
    begin = 0
    for index in decisions:
        yield events[begin:index], events[index]
        begin = index + 1
    yield events[begin:], None


def release(track: Track, decision: Recorded, store: ReadModels, log: EventLog) -> Move:
    """Fold a stream's parked events in order, and the decision itself. What fails again stays parked.

    Raises LogUnavailable.
    """
    stream = decision.data.parked
    if isinstance(decision.data, DeadLetter.Discarded):
        track.discarded = track.discarded | {decision.data.position}
    parked = store.letters(track.cursor, stream)
    folding = track.folding(track.parked - {stream})
    for letter in parked:
        folding.take_all(log.read_lane(track.cursor.lane, letter.position - 1, letter.position, 1))
    folding.take(decision)
    discarded = {decision.data.position} if isinstance(decision.data, DeadLetter.Discarded) else frozenset[int]()
    return Move(
        track.cursor,
        decision.position,
        folding.changes,
        folding.letters,
        released=frozenset({stream}),
        discarded=frozenset(discarded),
        notices=folding.notices,
    )
