"""All replays, newest first."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from application.outlets import Mark
from application.ports.log import Recorded
from domain.replay import Kind, Replay, ReplayStatus
from projections.projection import DESCENDING, Projection, Put, Query


class ReplayRow(msgspec.Struct, frozen=True):
    """One replay in a list. Times in UTC."""

    id: UUID
    status: ReplayStatus
    target: Kind
    name: str
    """Of the target."""
    total: int
    """How many events are selected."""
    prepared_at: datetime
    prepared_position: int
    position: int
    events: int | None = None
    """How many are, or were, in the target."""
    made: str | None = None
    reason: str | None = None
    is_discarded: bool = False


def fold(event: Recorded) -> Iterator[Put]:
    match event.data:
        case Replay.Prepared(target=target, total=total):
            yield Put(
                event.stream,
                status=ReplayStatus.PREPARED.value,
                target=target.kind.value,
                name=target.name,
                total=total,
                prepared_at=event.at,
                prepared_position=event.position,
            )
        case Replay.Started() | Replay.Resumed():
            yield Put(event.stream, status=ReplayStatus.RUNNING.value)
        case Replay.Paused():
            yield Put(event.stream, status=ReplayStatus.PAUSED.value)
        case Replay.Completed(events=events, made=made):
            yield Put(event.stream, status=ReplayStatus.COMPLETED.value, events=events, made=made)
        case Replay.Failed(events=events, reason=reason):
            yield Put(event.stream, status=ReplayStatus.FAILED.value, events=events, reason=reason)
        case Replay.Cancelled():
            yield Put(event.stream, status=ReplayStatus.CANCELLED.value)
        case Replay.Dropped():
            yield Put(event.stream, status=ReplayStatus.DROPPED.value)
        case Replay.Discarded(events=events):
            yield Put(event.stream, is_discarded=True, events=events)


def newest() -> Query:
    return Query("replays", {}, (("prepared_position", DESCENDING),))


def with_progress(rows: Iterable[ReplayRow], marks: Mapping[UUID, Mark]) -> list[ReplayRow]:
    """Those that have not ended with how far they have come by now."""
    return [
        msgspec.structs.replace(row, events=marks[row.id].events if row.id in marks else 0)
        if row.events is None
        else row
        for row in rows
    ]


PROJECTION = Projection("replays", 1, fold, indexes=((("prepared_position", DESCENDING),),))
