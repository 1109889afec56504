"""What every aggregate shares: a lane, and events that take their time from the command."""

from typing import ClassVar
from uuid import UUID

import eventsourcing.domain


class Aggregate(eventsourcing.domain.Aggregate):
    """A consistency boundary: loaded whole, decided on, saved once.

    Decisions take the command's time and hand it to the event as `timestamp`.
    """

    name: ClassVar[str]
    """How the kind is called in event types, as `name.Event`; never changed once events of it exist."""

    word: ClassVar[str] = ""
    """What people call one, where that is another word than the name."""

    @property
    def lane_key(self) -> UUID:
        """What decides the lane: all streams with one key are ordered among themselves."""
        return self.id


class DomainError(Exception):
    """A decision was refused; the message says why and what to do."""

    def __str__(self) -> str:
        return " ".join(map(str, self.args)) or (self.__doc__ or "")
