"""How many events of each type there are from each day (UTC): a document per day, type and lane."""

from collections.abc import Iterable, Iterator
from datetime import date

import msgspec

from application.ports.log import Recorded
from projections.projection import Add, Projection, Query


class EventCount(msgspec.Struct, frozen=True):
    """What one lane holds of one type from one day: its id says which."""

    id: str
    events: int
    streams: int
    """Those that begin there."""


class Count(msgspec.Struct):
    """Some events, and the streams that begin with one of them."""

    events: int = 0
    streams: int = 0


class EventStats(msgspec.Struct, frozen=True):
    """Events in figures. Days are in UTC."""

    total: Count
    by_type: dict[str, Count]
    by_day: dict[str, Count]
    by_lane: dict[str, Count]


def fold(event: Recorded) -> Iterator[Add]:
    yield Add(
        f"{event.at.date().isoformat()}/{event.type}/{event.lane}", events=1, streams=1 if event.version == 1 else 0
    )


def since(first: date) -> Query:
    """The days from this one on."""
    return Query("event_stats", {"_id": {"$gte": first.isoformat()}})


def added_up(found: Iterable[EventCount]) -> EventStats:
    stats = EventStats(Count(), {}, {}, {})
    for one in found:
        day, type, lane = one.id.split("/")
        for count in (
            stats.total,
            stats.by_type.setdefault(type, Count()),
            stats.by_day.setdefault(day, Count()),
            stats.by_lane.setdefault(lane, Count()),
        ):
            count.events += one.events
            count.streams += one.streams
    return stats


PROJECTION = Projection("event_stats", 1, fold, is_by_stream=False, is_patient=True)
