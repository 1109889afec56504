"""What people ask of a read model: to build it anew, to go back, to stand still."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

import msgspec
from eventsourcing.domain import event

from domain.aggregate import Aggregate, DomainError

_READ_MODELS = UUID("0f4b1d8e-6f57-4c51-9d2f-0a3f0f5f8c11")
"""The namespace in which a read model's name becomes an id."""


class UnderWay(DomainError):
    """This read model is being rebuilt or rolled back; wait for the end of that."""


class NothingToGoBackTo(DomainError):
    """No earlier generation of this read model is kept."""


class Ending(StrEnum):
    """How a rebuild or a rollback ended."""

    LIVE = "live"
    """The other generation is asked now, and the one before is kept."""
    REFUSED = "refused"
    """Nothing has changed."""


class Work(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a rebuild or a rollback ended."""

    ending: Ending
    reason: str
    """In words, for people."""
    generation: int
    """The one that is live now."""
    documents: int
    """How many were compared with the log."""
    digest: str
    """Of those; see the verification of read models."""


class Verification(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What comparing a read model with the log has found."""

    generation: int
    documents: int
    digest: str
    differences: int
    """How many documents are not as the log says."""
    first: str
    """The first of them, in words."""


class ReadModel(Aggregate):
    """A read model as its operators steer it. What it holds follows from the log alone."""

    name = "ReadModel"

    class Named(Aggregate.Created):
        projection: str

    class RebuildRequested(Aggregate.Event):
        projection: str
        is_full: bool
        """Whether all documents are compared with the log before it goes live, or a sample."""

    class RollbackRequested(Aggregate.Event):
        projection: str

    class Ended(Aggregate.Event):
        work: Work

    class VerificationRequested(Aggregate.Event):
        projection: str
        is_full: bool

    class Verified(Aggregate.Event):
        verification: Verification

    class PreviousDropped(Aggregate.Event):
        projection: str

    class Paused(Aggregate.Event):
        projection: str

    class Resumed(Aggregate.Event):
        projection: str

    @event(Named)
    def __init__(self, id: UUID, projection: str, timestamp: datetime) -> None:
        self.projection = projection
        self.is_under_way = False
        self.has_previous = False
        self.is_paused = False
        self.is_verified = True
        """Unless a verification was asked for and has not ended."""
        self.last_work: Work | None = None
        self.last_verification: Verification | None = None

    @event(RebuildRequested)
    def _rebuild_requested(self) -> None:
        self.is_under_way = True

    @event(RollbackRequested)
    def _rollback_requested(self) -> None:
        self.is_under_way = True

    @event(Ended)
    def _ended(self, work: Work) -> None:
        self.is_under_way = False
        self.has_previous |= work.ending is Ending.LIVE
        self.last_work = work

    @event(VerificationRequested)
    def _verification_requested(self) -> None:
        self.is_verified = False

    @event(Verified)
    def _verified(self, verification: Verification) -> None:
        self.is_verified = True
        self.last_verification = verification

    @event(PreviousDropped)
    def _previous_dropped(self) -> None:
        self.has_previous = False

    @event(Paused)
    def _paused(self) -> None:
        self.is_paused = True

    @event(Resumed)
    def _resumed(self) -> None:
        self.is_paused = False

    def rebuild(self, *, is_full: bool, at: datetime) -> None:
        """Fold it anew from the log, beside the live one."""
        self._check_idle()
        self.trigger_event(self.RebuildRequested, projection=self.projection, is_full=is_full, timestamp=at)

    def roll_back(self, at: datetime) -> None:
        """Ask the generation before again, once it has caught up."""
        self._check_idle()
        self._check_previous()
        self.trigger_event(self.RollbackRequested, projection=self.projection, timestamp=at)

    def end(self, work: Work, at: datetime) -> None:
        """What was asked for is done, or cannot be done; hearing it again changes nothing."""
        if self.is_under_way:
            self.trigger_event(self.Ended, work=work, timestamp=at)

    def verify(self, *, is_full: bool, at: datetime) -> None:
        """Compare it with the log. Asked for again meanwhile, it is done once."""
        if self.is_verified:
            self.trigger_event(self.VerificationRequested, projection=self.projection, is_full=is_full, timestamp=at)

    def end_verification(self, verification: Verification, at: datetime) -> None:
        """Hearing it again changes nothing."""
        if not self.is_verified:
            self.trigger_event(self.Verified, verification=verification, timestamp=at)

    def drop_previous(self, at: datetime) -> None:
        """Keep no way back."""
        self._check_idle()
        self._check_previous()
        self.trigger_event(self.PreviousDropped, projection=self.projection, timestamp=at)

    def pause(self, at: datetime) -> None:
        """Fold nothing into it until it is resumed; it stays as it is and is asked as before."""
        if not self.is_paused:
            self.trigger_event(self.Paused, projection=self.projection, timestamp=at)

    def resume(self, at: datetime) -> None:
        if self.is_paused:
            self.trigger_event(self.Resumed, projection=self.projection, timestamp=at)

    def _check_idle(self) -> None:
        if self.is_under_way:
            raise UnderWay

    def _check_previous(self) -> None:
        if not self.has_previous:
            raise NothingToGoBackTo


def read_model_of(projection: str) -> UUID:
    """The id of a read model."""
    return uuid5(_READ_MODELS, projection)
