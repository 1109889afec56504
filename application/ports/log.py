"""The event log: what is stored, who asked for it, and how it is read and followed."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec

from domain.aggregate import Aggregate

A = TypeVar("A", bound=Aggregate)

LAST_POSITION = 2**53 - 1
"""No position is larger: up to here a JSON number is exact for every reader."""


class Context(msgspec.Struct, frozen=True):
    """Who causes a change, when, and in the course of what. Goes into every event's envelope."""

    actor: str
    """`user:<id>`, `worker:<name>` or `operator`."""
    at: datetime
    correlation: UUID
    """The request that everything following from it shares."""
    causation: UUID | None = None
    """The event that led to this command; None when a person did."""
    trace: str = ""
    """W3C traceparent."""


class Recorded(msgspec.Struct, frozen=True):
    """An event as the log holds it."""

    position: int
    lane: int
    stream: UUID
    version: int
    type: str
    id: UUID
    at: datetime
    actor: str
    correlation: UUID
    causation: UUID | None
    trace: str
    data: Any
    """The domain event itself, e.g. `Execution.Started`, upcast to its newest version; or Unreadable."""


class Unreadable(msgspec.Struct, frozen=True):
    """Stands for an event that this program cannot read, so that only its own stream has to wait."""

    reason: str


class StreamNotFound(Exception):
    """There is nothing with this id."""


class VersionConflict(Exception):
    """Somebody else changed it first; load it again and decide anew."""


class LogUnavailable(Exception):
    """The event store cannot be reached; nothing was changed. Try again in a moment."""


class OutcomeUnknown(LogUnavailable):
    """The event store stopped answering in the middle of a change: look whether it is there before you try again."""


class UnreadableEvent(Exception):
    """This event cannot be read; `runledger events verify` tells more."""


class UnknownEventType(UnreadableEvent):
    """This event type is not known here: a newer version of this program has written it; upgrade this one."""


class NewerSchema(UnreadableEvent):
    """A newer version of this program has written this event; upgrade this one."""


class LogDamaged(UnreadableEvent):
    """The log has a hole, and nothing behind it can be trusted; restore the store from a backup."""

    def __init__(self, position: int, end: int) -> None:
        super().__init__(
            f"The log has no event at position {position}, though it goes on to {end}: `runledger events verify` tells "
            "what is wrong; restore the store from a backup."
        )
        self.position, self.end = position, end


class EventLog(Protocol):
    """The one truth: events in commit order, positions 1, 2, 3 … without a hole.

    Every method may raise LogUnavailable; `load`, `recall`, `history` and `read`, UnreadableEvent.
    """

    @property
    def lanes(self) -> int: ...

    def load(self, kind: type[A], stream: UUID) -> A:
        """Raises StreamNotFound."""

    def recall(self, kind: type[A], stream: UUID) -> A:
        """Like `load`, but from memory where this process has seen the stream: it may lack the newest events.

        Saving what was decided on too little raises VersionConflict, as ever.
        """

    def recall_history(self, stream: UUID) -> Sequence[Recorded]:
        """Like `history`, but from memory where this process has seen the stream: it may lack the newest events."""

    def remember(self, events: Sequence[Recorded]) -> None:
        """These events came by here."""

    def save(self, context: Context, *aggregates: Aggregate) -> int:
        """Append all pending events as one commit. Returns the position of the last one.

        Raises VersionConflict or LogUnavailable (nothing was stored), OutcomeUnknown.
        """

    def save_together(self, changes: Sequence[tuple[Context, Aggregate]]) -> int:
        """Like `save`, where each aggregate's events follow from something else."""

    def history(self, stream: UUID) -> Sequence[Recorded]:
        """All events of one stream, in order; empty when there is none."""

    def read(self, after: int, limit: int) -> Sequence[Recorded]:
        """Events with positions after `after`, in order, at most `limit`."""

    def read_lane(self, lane: int, after: int, upto: int, limit: int) -> Sequence[Recorded]:
        """Events of one lane with positions in (after, upto], in order, at most `limit`; some may be Unreadable."""

    def lane_at(self, position: int) -> int | None:
        """The lane of the event at this position; None where there is none yet."""

    def head(self) -> int:
        """The last position; 0 for an empty log."""

    def lane_heads(self) -> Mapping[int, int]:
        """The last position of every lane that has events."""


class Subscription(Protocol):
    """Lanes of the log as they grow, shared among all subscriptions of one group."""

    def poll(self, timeout: float) -> Sequence[Recorded]:
        """The next events of the lanes this process owns; per lane contiguous and after its cursor.

        Some may be Unreadable. Waits up to `timeout` seconds; empty when nothing came.
        """

    @property
    def lanes(self) -> frozenset[int]:
        """Those that this process owns, as far as it knows."""

    def close(self) -> None: ...


class Feed(Protocol):
    def subscribe(
        self, group: str, cursor: Callable[[int], int], orphans: frozenset[int] = frozenset()
    ) -> Subscription:
        """`cursor(lane)` tells the position after which to deliver; it is called whenever a lane is assigned.

        `orphans` are lanes of the group whose owner has ended: they are this member's until the group gives it others,
        which takes as long as the owner is not missed there.
        """
