"""What the application asks of the outside. Adapters implement these; nothing here knows how."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec

from domain.aggregate import Aggregate
from domain.execution import Limits, Outcome
from domain.sealed import Sealed

A = TypeVar("A", bound=Aggregate)


# Who asks, and the log ------------------------------------------------------------------------------------


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
    """The domain event itself, e.g. `Execution.Started`; upcast to its newest version."""


class StreamNotFound(Exception):
    """There is nothing with this id."""


class VersionConflict(Exception):
    """Somebody else changed it first; load it again and decide anew."""


class LogUnavailable(Exception):
    """The event store cannot be reached; nothing was changed. Try again in a moment."""


class EventLog(Protocol):
    """The one truth: events in commit order, positions 1, 2, 3 … without a hole."""

    @property
    def lanes(self) -> int: ...

    def load(self, kind: type[A], stream: UUID) -> A:
        """Raises StreamNotFound."""

    def save(self, context: Context, *aggregates: Aggregate) -> int:
        """Append all pending events as one commit. Returns the position of the last one.

        Raises VersionConflict (nothing was stored) or LogUnavailable.
        """

    def history(self, stream: UUID) -> Sequence[Recorded]:
        """All events of one stream, in order; empty when there is none."""

    def read(self, after: int, limit: int) -> Sequence[Recorded]:
        """Events with positions after `after`, in order, at most `limit`."""

    def read_lane(self, lane: int, after: int, upto: int, limit: int) -> Sequence[Recorded]:
        """Events of one lane with positions in (after, upto], in order, at most `limit`."""

    def head(self) -> int:
        """The last position; 0 for an empty log."""

    def lane_heads(self) -> Mapping[int, int]:
        """The last position of every lane that has events."""


class Subscription(Protocol):
    """Lanes of the log as they grow, shared among all subscriptions of one group."""

    def poll(self, timeout: float) -> Sequence[Recorded]:
        """The next events of the lanes this process owns; per lane contiguous and after its cursor.

        Waits up to `timeout` seconds; empty when nothing came.
        """

    def rewind(self, lane: int) -> None:
        """Ask the cursor again and deliver from there: what was delivered last could not be handled."""

    def close(self) -> None: ...


class Feed(Protocol):
    def subscribe(self, group: str, cursor: Callable[[int], int]) -> Subscription:
        """`cursor(lane)` tells the position after which to deliver; it is called whenever a lane is assigned."""


# Private content ------------------------------------------------------------------------------------------


class Erased(Exception):
    """This content belonged to a person whose data was erased."""


class Seals(Protocol):
    def seal(self, person: UUID, content: bytes) -> Sealed[Any]:
        """Encrypt with the person's data key (made when missing). Large content goes to chunks, written now."""

    def open(self, sealed: Sealed[Any]) -> bytes:
        """Raises Erased."""

    def fingerprint(self, person: UUID, content: bytes) -> str:
        """HMAC-SHA-256 under the person's data key, in hex."""


class Clock(Protocol):
    def now(self) -> datetime: ...


class Ids(Protocol):
    def new(self) -> UUID: ...


# Sandboxes ------------------------------------------------------------------------------------------------

STDOUT, STDERR = 1, 2


class Runtime(msgspec.Struct, frozen=True):
    """A catalogue row: a language version and how it is run."""

    language: str
    version: str
    command: tuple[str, ...]
    """The interpreter and its options; the script's file name is appended."""
    file_name: str
    image: str
    example: str


class Job(msgspec.Struct, frozen=True):
    """All a sandbox needs to run one script."""

    sandbox: str
    """The sandbox's name, the same for every try to create it."""
    runtime: Runtime
    script: bytes
    stdin: bytes
    limits: Limits


class Started(msgspec.Struct, frozen=True, tag=True):
    at: datetime


class Output(msgspec.Struct, frozen=True, tag=True):
    number: int
    """1, 2, 3 … over both streams of one run."""
    stream: int
    """STDOUT or STDERR."""
    data: bytes


class Ended(msgspec.Struct, frozen=True, tag=True):
    outcome: Outcome


Frame = Started | Output | Ended


class SandboxUnavailable(Exception):
    """Sandboxes cannot be started here; the message says what is missing and how to get it."""


class SandboxNotFound(Exception):
    """There is no such sandbox (any more)."""


class Sandbox(Protocol):
    """Isolated places to run one script each. They outlive the process that started them."""

    def start(self, job: Job) -> None:
        """Start it; a second start of the same name changes nothing. Raises SandboxUnavailable."""

    def watch(self, sandbox: str, after: int = 0) -> Iterator[Frame]:
        """Its frames, live: Started, each Output numbered above `after`, and at last Ended.

        Works again and again, also after the end, until `remove`. Raises SandboxNotFound.
        """

    def stop(self, sandbox: str) -> None:
        """Kill the whole tree within a second; the run ends as cancelled. Harmless when it has ended or is unknown."""

    def list(self) -> Sequence[str]:
        """The names of all sandboxes that were started and not removed, running or ended."""

    def remove(self, sandbox: str) -> None:
        """Forget an ended one with its output; kills a running one first. Harmless when unknown."""
