"""How every read model is: what is live, how far it is behind, what waits."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from application.ports.log import EventLog
from application.ports.surroundings import Clock
from projections.generations import Generation, Generations, Pointer
from projections.projection import Projection

COUNTED = 10_000
"""More events behind, in one lane, are not counted."""


class Waiting(Protocol):
    """What reads the log and the letters for those who look. Every method may raise LogUnavailable."""

    def waiting(self, lane: int, after: int, upto: int, limit: int) -> tuple[int, datetime | None]:
        """How many events of a lane there are in (after, upto], at most `limit`, and when the first one happened."""

    def parked(self, projection: str, generation: int) -> int:
        """How many letters there are."""


class Building(msgspec.Struct, frozen=True):
    """A generation that is not live yet."""

    generation: int
    position: int
    """Up to here the log is folded in every lane."""


class Overview(msgspec.Struct, frozen=True):
    """One read model, or the tasks of one kind of worker."""

    name: str
    version: int
    """Of the projection that made what is live."""
    generation: int
    state: str
    """`live`, `paused`, or `outdated` when this program folds another version."""
    position: int
    """Of the newest event in it, of whichever lane; other lanes may be behind."""
    lag: int
    """How many events it is behind, those of all lanes together; counted up to 10,000 in each lane."""
    lag_seconds: float
    """For how long the oldest of those has been there."""
    parked: int
    """How many events wait as dead letters."""
    previous: int | None
    """The generation that can be gone back to."""
    building: Building | None


class Lookout:
    """Looks at all of them."""

    def __init__(self, log: EventLog, waiting: Waiting, generations: Generations, clock: Clock) -> None:
        self._log = log
        self._waiting = waiting
        self._generations = generations
        self._clock = clock

    def overview(self, projections: Sequence[Projection]) -> Sequence[Overview]:
        """Raises LogUnavailable."""
        pointers, heads = self._generations.pointers(), self._log.lane_heads()
        return [self._one(projection, pointers[projection.name], heads) for projection in projections]

    def _one(self, projection: Projection, pointer: Pointer, heads: Mapping[int, int]) -> Overview:
        positions = self._generations.positions(projection.name, pointer.generation)
        behind = list(self._behind(positions, heads))
        since = [first for _, first in behind if first is not None]
        return Overview(
            name=projection.name,
            version=pointer.version,
            generation=pointer.generation,
            state=_state(projection, pointer),
            position=max(positions.values(), default=0),
            lag=sum(number for number, _ in behind),
            lag_seconds=max(0.0, (self._clock.now() - min(since)).total_seconds()) if since else 0.0,
            parked=self._waiting.parked(projection.name, pointer.generation),
            previous=pointer.previous.number if pointer.previous else None,
            building=self._building(projection.name, pointer.building),
        )

    def _behind(self, positions: Mapping[int, int], heads: Mapping[int, int]) -> Iterator[tuple[int, datetime | None]]:
        for lane, head in heads.items():
            if positions.get(lane, 0) < head:
                yield self._waiting.waiting(lane, positions.get(lane, 0), head, COUNTED)

    def _building(self, name: str, building: Generation | None) -> Building | None:
        if building is None:
            return None
        positions = self._generations.positions(name, building.number)
        return Building(building.number, min(positions.values(), default=0))


def _state(projection: Projection, pointer: Pointer) -> str:
    if pointer.version != projection.version:
        return "outdated"
    return "paused" if pointer.is_paused else "live"
