"""How many runs each person has requested each day (UTC): a document per person, day and lane."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from uuid import UUID

import msgspec

from application.ports import Recorded
from domain.execution import Execution
from projections.projection import ASCENDING, Add, Projection, Put, Query, Step


class Usage(msgspec.Struct, frozen=True):
    """What one lane holds of a person's day."""

    day: date
    runs: int


def fold(event: Recorded) -> Iterator[Step]:
    match event.data:
        case Execution.Requested(owner=owner):
            day = event.at.date().isoformat()
            id = f"{owner}/{day}/{event.lane}"
            yield Put(id, owner=owner, day=day)
            yield Add(id, runs=1)


def since(owner: UUID, first: date) -> Query:
    """A person's days from this one on."""
    return Query("usage", {"owner": owner, "day": {"$gte": first.isoformat()}})


def by_day(found: Iterable[Usage]) -> list[Usage]:
    """All lanes of a day added up, the newest day first."""
    runs: Counter[date] = Counter()
    for one in found:
        runs[one.day] += one.runs
    return [Usage(day, runs[day]) for day in sorted(runs, reverse=True)]


PROJECTION = Projection(
    "usage", 1, fold, indexes=((("owner", ASCENDING), ("day", ASCENDING)),), is_by_stream=False, is_patient=True
)
