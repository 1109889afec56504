"""Who is next: by priority, then whoever has the fewest runs under way, then by age."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from domain.pool import Places

AGE = timedelta(minutes=1)
"""Whoever has waited for so long counts as one priority higher, up to the highest of those that wait."""


class Waiting(msgspec.Struct, frozen=True):
    """A run that waits for a place."""

    execution: UUID
    owner: UUID
    priority: int
    """0 unless an admin has set another; the larger ones come first."""
    requested: int
    """The position of its request."""
    since: datetime


def choose(waiting: Collection[Waiting], held: Mapping[UUID, UUID], places: Places, now: datetime) -> list[Waiting]:
    """Those that get a place now, the first first. `held`: the owner of each run that has one.

    Priorities go across people, age makes up for a lower one. Among equals a person with fewer runs under way comes
    first: nobody waits for all that somebody else has asked for before.
    """
    top = max((one.priority for one in waiting), default=0)
    left = {one.execution: (-_level(one, top, now), one) for one in waiting if one.execution not in held}
    having = Counter(held.values())
    chosen: list[Waiting] = []
    while len(held) + len(chosen) < places.at_once:
        able = (found for found in left.values() if having[found[1].owner] < places.of_one)
        first = min(able, key=lambda found: (found[0], having[found[1].owner], found[1].requested), default=None)
        if first is None:
            break
        chosen.append(first[1])
        having[first[1].owner] += 1
        del left[first[1].execution]
    return chosen


def _level(one: Waiting, top: int, now: datetime) -> int:
    return min(one.priority + max(0, (now - one.since) // AGE), top)
