"""The dead letters of what is live, for people who decide on them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from application.ports.log import EventLog, Recorded, Unreadable
from projections.letters import Trouble
from projections.projection import Projection


class Parked(msgspec.Struct, frozen=True):
    """One event that waits. `trouble` is missing where it only waits for one before it."""

    id: str
    """`projection/generation/position`."""
    projection: str
    generation: int
    lane: int
    stream: UUID
    version: int
    position: int
    type: str
    event: UUID
    parked_at: datetime
    trouble: Trouble | None = None


class Mailbox(Protocol):
    """Where they lie. Every method may raise LogUnavailable."""

    def all(self, projection: str | None = None) -> Sequence[Parked]:
        """By projection, in the order of the log."""

    def causes(self) -> Sequence[Parked]:
        """Those that the others wait for, of all projections."""

    def counts(self) -> Mapping[str, int]:
        """How many there are, by projection; those without any as well."""

    def find(self, id: str) -> Parked | None: ...


def folded_again(log: EventLog, projection: Projection, parked: Parked) -> str | None:
    """What is wrong with the event now, in the exception's own words; None where it could be folded by now.

    Folding has no effect, so it can be tried at any time; the words may quote private content.
    """
    return trouble_now(projection, event_of(log, parked))


def event_of(log: EventLog, parked: Parked) -> Recorded:
    (event,) = log.read_lane(parked.lane, parked.position - 1, parked.position, 1)
    return event


def trouble_now(projection: Projection, event: Recorded) -> str | None:
    """As `folded_again`."""
    if isinstance(event.data, Unreadable):
        return event.data.reason
    try:
        list(projection.fold(event))
    except Exception as error:  # noqa: BLE001 - that is what is asked for
        return f"{type(error).__name__}: {error}"
    return None
