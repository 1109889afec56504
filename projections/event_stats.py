"""How many events of each type there are from each day (UTC): a document per day, type and lane."""

from collections.abc import Iterable, Iterator
from datetime import date

import msgspec

from application.ports import Recorded
from projections.projection import ASCENDING, Add, Projection, Put, Query, Step


class EventCount(msgspec.Struct, frozen=True):
    """What one lane holds of one type from one day."""

    day: date
    type: str
    lane: int
    events: int
    streams: int = 0
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


def fold(event: Recorded) -> Iterator[Step]:
    day = f"{event.at:%F}"
    id = f"{day}/{event.type}/{event.lane}"
    yield Put(id, day=day, type=event.type, lane=event.lane)
    yield Add(id, events=1, streams=int(event.version == 1))


def since(first: date) -> Query:
    """The days from this one on."""
    return Query("event_stats", {"day": {"$gte": first.isoformat()}})


def added_up(found: Iterable[EventCount]) -> EventStats:
    stats = EventStats(Count(), {}, {}, {})
    for one in found:
        for count in (
            stats.total,
            stats.by_type.setdefault(one.type, Count()),
            stats.by_day.setdefault(one.day.isoformat(), Count()),
            stats.by_lane.setdefault(str(one.lane), Count()),
        ):
            count.events += one.events
            count.streams += one.streams
    return stats


PROJECTION = Projection("event_stats", 1, fold, indexes=((("day", ASCENDING),),), is_by_stream=False)
