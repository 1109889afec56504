"""A replay: some events of the log once more, into a place where they cannot cause anything."""

from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec
from eventsourcing.domain import event

from domain.aggregate import Aggregate, DomainError


class ReplayIs(DomainError):
    """This replay is in a state in which that cannot be done."""


class Kind(StrEnum):
    """What events can be replayed into."""

    FILE = "file"
    """JSON Lines, as the export of events writes them."""
    TOPIC = "topic"
    """A Kafka topic of its own."""
    PROJECTION = "projection"
    """A generation of a read model that is never live."""


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the events go."""

    kind: Kind
    name: str = ""
    """Of the file, of the topic, or of the read model. Empty for a file or topic that is called after the replay."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Candidate(Protocol):
    """What is known of an event before it is read."""

    @property
    def position(self) -> int: ...
    @property
    def stream(self) -> UUID: ...
    @property
    def type(self) -> str: ...
    @property
    def actor(self) -> str: ...


class Selection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which events: a closed range of the log, so that it is the same ones each time. Empty means all there are."""

    first: int
    last: int
    types: tuple[str, ...] = ()
    streams: tuple[UUID, ...] = ()
    users: tuple[UUID, ...] = ()
    """Who caused them; what workers did for somebody is not among those."""

    def holds(self, candidate: Candidate) -> bool:
        return (
            self.first <= candidate.position <= self.last
            and (not self.types or candidate.type in self.types)
            and (not self.streams or candidate.stream in self.streams)
            and (not self.users or candidate.actor in {f"user:{user}" for user in self.users})
        )


class ReplayStatus(StrEnum):
    PREPARED = "prepared"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DROPPED = "dropped"
    """Completed, and what it had made is wanted no more."""

    @property
    def leaves_nothing(self) -> bool:
        """Whether what was made is thrown away."""
        return self in {ReplayStatus.FAILED, ReplayStatus.CANCELLED, ReplayStatus.DROPPED}


class Replay(Aggregate):
    """From the dry run to the end. How far it is stands beside the log; its end says how many events there were."""

    name = "Replay"

    class Prepared(Aggregate.Created):
        selection: Selection
        target: Target
        speed: float
        total: int

    class Started(Aggregate.Event):
        pass

    class Paused(Aggregate.Event):
        pass

    class Resumed(Aggregate.Event):
        pass

    class Completed(Aggregate.Event):
        events: int
        made: str

    class Failed(Aggregate.Event):
        events: int
        reason: str

    class Cancelled(Aggregate.Event):
        pass

    class Dropped(Aggregate.Event):
        pass

    class Discarded(Aggregate.Event):
        events: int

    @event(Prepared)
    def __init__(
        self, id: UUID, selection: Selection, target: Target, speed: float, total: int, timestamp: datetime
    ) -> None:
        self.selection = selection
        self.target = target
        self.speed = speed
        """Events a second; 0 for as fast as it goes."""
        self.total = total
        """How many events are selected."""
        self.status = ReplayStatus.PREPARED
        self.events: int | None = None
        """How many were replayed, once it has ended."""
        self.made = ""
        self.reason = ""
        self.is_discarded = False

    @event(Started)
    def _started(self) -> None:
        self.status = ReplayStatus.RUNNING

    @event(Paused)
    def _paused(self) -> None:
        self.status = ReplayStatus.PAUSED

    @event(Resumed)
    def _resumed(self) -> None:
        self.status = ReplayStatus.RUNNING

    @event(Completed)
    def _completed(self, events: int, made: str) -> None:
        self.status, self.events, self.made = ReplayStatus.COMPLETED, events, made

    @event(Failed)
    def _failed(self, events: int, reason: str) -> None:
        self.status, self.events, self.reason = ReplayStatus.FAILED, events, reason

    @event(Cancelled)
    def _cancelled(self) -> None:
        self.status = ReplayStatus.CANCELLED

    @event(Dropped)
    def _dropped(self) -> None:
        self.status, self.made = ReplayStatus.DROPPED, ""

    @event(Discarded)
    def _discarded(self, events: int) -> None:
        self.is_discarded, self.events = True, events

    # What people ask ------------------------------------------------------------------------------------------

    def start(self, at: datetime) -> None:
        """Begin; asked again while it runs, nothing changes."""
        if self._is_new("start", ReplayStatus.RUNNING, ReplayStatus.PREPARED):
            self.trigger_event(self.Started, timestamp=at)

    def pause(self, at: datetime) -> None:
        """Stop within a second, until it is resumed."""
        if self._is_new("pause", ReplayStatus.PAUSED, ReplayStatus.RUNNING):
            self.trigger_event(self.Paused, timestamp=at)

    def resume(self, at: datetime) -> None:
        """Go on behind the last event that was replayed."""
        if self._is_new("resume", ReplayStatus.RUNNING, ReplayStatus.PAUSED):
            self.trigger_event(self.Resumed, timestamp=at)

    def cancel(self, at: datetime) -> None:
        """End it for good, and throw away what it has made so far."""
        if self._is_new(
            "cancel", ReplayStatus.CANCELLED, ReplayStatus.PREPARED, ReplayStatus.RUNNING, ReplayStatus.PAUSED
        ):
            self.trigger_event(self.Cancelled, timestamp=at)

    def drop(self, at: datetime) -> None:
        """Throw away what it has made."""
        if self._is_new("drop", ReplayStatus.DROPPED, ReplayStatus.COMPLETED):
            self.trigger_event(self.Dropped, timestamp=at)

    def _is_new(self, what: str, to: ReplayStatus, *since: ReplayStatus) -> bool:
        """Raises ReplayIs."""
        if self.status not in {to, *since}:
            wanted = " or ".join(since)
            raise ReplayIs(f"This replay is {self.status}; to {what} one, it has to be {wanted}.")
        return self.status is not to

    # What its worker says -------------------------------------------------------------------------------------

    def complete(self, events: int, made: str, at: datetime) -> None:
        """All are replayed. Hearing it again, or after it was cancelled, changes nothing."""
        if self.status in {ReplayStatus.RUNNING, ReplayStatus.PAUSED}:
            self.trigger_event(self.Completed, events=events, made=made, timestamp=at)

    def fail(self, events: int, reason: str, at: datetime) -> None:
        """It can never be done. Hearing it again, or after it was cancelled, changes nothing."""
        if self.status in {ReplayStatus.RUNNING, ReplayStatus.PAUSED}:
            self.trigger_event(self.Failed, events=events, reason=reason, timestamp=at)

    def discard(self, events: int, at: datetime) -> None:
        """What it had made is gone. Hearing it again changes nothing."""
        if self.status.leaves_nothing and not self.is_discarded:
            self.trigger_event(self.Discarded, events=events, timestamp=at)
