"""The places that runs can have at once: who holds one, and that no more are given than there are."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from uuid import UUID, uuid5

import msgspec
from eventsourcing.domain import event

from domain.aggregate import Aggregate, DomainError

_POOLS = UUID("5d0a3f0c-2f0e-5c0a-8a51-6a3a5d0c7b21")
"""The namespace in which the number of a pool's stream becomes its id."""
LONG_EVENTS = 200
"""A stream of so many events is continued in a new one, which begins with what is held."""


class NoPlace(DomainError):
    """All places are taken, or all that this person may have at once."""


class Places(msgspec.Struct, frozen=True):
    """How many runs there may be at once: of everybody, and of one person."""

    at_once: int
    of_one: int


class Reservation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A place, and for whom it is kept."""

    execution: UUID
    owner: UUID


class Pool(Aggregate):
    """A place is held from the intent to make a sandbox until the run's end is stored, whoever dies meanwhile."""

    name = "Pool"

    class Opened(Aggregate.Created):
        number: int
        held: tuple[Reservation, ...]

    class Reserved(Aggregate.Event):
        reservations: tuple[Reservation, ...]

    class Released(Aggregate.Event):
        executions: tuple[UUID, ...]

    class Continued(Aggregate.Event):
        pass

    @event(Opened)
    def __init__(self, id: UUID, number: int, held: tuple[Reservation, ...], timestamp: datetime) -> None:
        self.number = number
        self.held = {one.execution: one.owner for one in held}
        """Whose run each is."""
        self.is_continued = False

    @event(Reserved)
    def _reserved(self, reservations: tuple[Reservation, ...]) -> None:
        self.held |= {one.execution: one.owner for one in reservations}

    @event(Released)
    def _released(self, executions: tuple[UUID, ...]) -> None:
        for execution in executions:
            self.held.pop(execution, None)

    @event(Continued)
    def _continued(self) -> None:
        self.is_continued = True

    def reserve(self, reservations: Collection[Reservation], places: Places, at: datetime) -> None:
        """Keep a place for each; for one that has a place already nothing changes. Raises NoPlace, then for none."""
        new = tuple(one for one in reservations if one.execution not in self.held)
        held = [*self.held.values(), *(one.owner for one in new)]
        if len(held) > places.at_once or any(count > places.of_one for count in Counter(held).values()):
            raise NoPlace
        if new:
            self.trigger_event(self.Reserved, reservations=new, timestamp=at)

    def release(self, executions: Iterable[UUID], at: datetime) -> None:
        """Give back the places of these; those that hold none change nothing."""
        holding = tuple(execution for execution in executions if execution in self.held)
        if holding:
            self.trigger_event(self.Released, executions=holding, timestamp=at)

    def continued(self, at: datetime) -> "Pool":
        """The stream in which this one goes on; both are to be saved together."""
        self.trigger_event(self.Continued, timestamp=at)
        return opened(self.number + 1, self.held, at)

    @property
    def is_long(self) -> bool:
        return self.version >= LONG_EVENTS


def opened(number: int, held: Mapping[UUID, UUID], at: datetime) -> Pool:
    reservations = tuple(Reservation(execution, owner) for execution, owner in held.items())
    return Pool(id=pool_of(number), number=number, held=reservations, timestamp=at)


def pool_of(number: int) -> UUID:
    """The id of one of its streams, which are numbered from 1 on."""
    return uuid5(_POOLS, str(number))
