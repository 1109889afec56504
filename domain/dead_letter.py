"""What people decide about events that a projection could not fold."""

from datetime import datetime
from uuid import UUID, uuid5

from eventsourcing.domain import event

from domain.aggregate import Aggregate, DomainError

_LETTERS = UUID("5b6e3a43-3c0e-4b5c-8f6e-0f5f3f1d6c0a")
"""The namespace in which a projection and a stream become an id."""


class ReasonMissing(DomainError):
    """Say why this event is to be left out for ever."""


class DeadLetter(Aggregate):
    """The parked events of one stream at one projection.

    Its events lie in the lane of that stream, so that whoever folds the lane meets them in order.
    """

    name = "DeadLetter"

    class Opened(Aggregate.Created):
        projection: str
        parked: UUID

    class RetryRequested(Aggregate.Event):
        projection: str
        parked: UUID

    class Discarded(Aggregate.Event):
        projection: str
        parked: UUID
        position: int
        reason: str

    @event(Opened)
    def __init__(self, id: UUID, projection: str, parked: UUID, timestamp: datetime) -> None:
        self.projection = projection
        self.parked = parked
        self.discarded: frozenset[int] = frozenset()

    @event(RetryRequested)
    def _retry_requested(self) -> None:
        pass

    @event(Discarded)
    def _discarded(self, position: int) -> None:
        self.discarded |= {position}

    @property
    def lane_key(self) -> UUID:
        return self.parked

    def retry(self, at: datetime) -> None:
        """Fold all that is parked again, in order."""
        self.trigger_event(self.RetryRequested, projection=self.projection, parked=self.parked, timestamp=at)

    def discard(self, position: int, reason: str, at: datetime) -> None:
        """Leave one event out for ever, and fold what waits behind it. Discarding it again changes nothing."""
        if not reason.strip():
            raise ReasonMissing
        if position not in self.discarded:
            self.trigger_event(
                self.Discarded,
                projection=self.projection,
                parked=self.parked,
                position=position,
                reason=reason,
                timestamp=at,
            )


def letters_of(projection: str, stream: UUID) -> UUID:
    """The id of the letters of a stream at a projection."""
    return uuid5(_LETTERS, f"{projection}/{stream}")
