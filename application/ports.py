"""What the application asks of the outside. Adapters implement these; nothing here knows how."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from enum import StrEnum
from threading import Event
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec

from domain.aggregate import Aggregate
from domain.execution import Limits, Outcome
from domain.sealed import Sealed

A = TypeVar("A", bound=Aggregate)


LAST_POSITION = 2**53 - 1
"""No position is larger: up to here a JSON number is exact for every reader."""

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


# Private content ------------------------------------------------------------------------------------------


class Erased(Exception):
    """This content belonged to a person whose data was erased."""


class ContentUnreadable(Exception):
    """The store has lost or damaged what is needed to read this content; restore the store from a backup."""


class WrongMasterKey(Exception):
    """The keys of this store are wrapped by another master key than the ones given."""

    def __init__(self, wanted: str, given: Sequence[str]) -> None:
        which = f"the master key {wanted}" if wanted else "another master key"
        super().__init__(
            f"The keys of this store are wrapped by {which}, but given was {', '.join(given) or 'none'}. Give the "
            "right one: restore the file master.key in the data folder, or correct the settings master_key and "
            "previous_master_keys. Nothing was changed."
        )


class Seals(Protocol):
    """Every method may raise WrongMasterKey and LogUnavailable."""

    def seal(self, person: UUID, content: bytes) -> Sealed[Any]:
        """Encrypt with the person's data key (made when missing). Large content goes to chunks, written now."""

    def open(self, sealed: Sealed[Any]) -> bytes:
        """Raises Erased, or ContentUnreadable."""

    def is_erased(self, sealed: Sealed[Any]) -> bool:
        """Whether it can never be opened again. Raises ContentUnreadable when its key is missing."""

    def fingerprint(self, person: UUID, content: bytes) -> str:
        """HMAC-SHA-256 under the person's data key, in hex."""


class Clock(Protocol):
    def now(self) -> datetime: ...


class Ids(Protocol):
    def new(self) -> UUID: ...


# People ---------------------------------------------------------------------------------------------------


class Passwords(Protocol):
    def hash(self, password: str) -> str: ...

    def verify(self, hash: str | None, password: str) -> bool:
        """Whether it is the right one. Takes as long for a missing hash as for a wrong password."""


class Credentials(Protocol):
    """Password hashes, by user. They are no events: a hash must be forgotten when it is replaced."""

    def put(self, user: UUID, hash: str) -> None: ...

    def get(self, user: UUID) -> str | None: ...


class Session(msgspec.Struct, frozen=True):
    user: UUID
    expires_at: datetime


class Sessions(Protocol):
    """Server-side sessions. Only a digest of the token is stored."""

    def open(self, user: UUID, expires_at: datetime) -> str:
        """Returns the new session's token, 256 random bits."""

    def find(self, token: str) -> Session | None: ...

    def revoke(self, token: str) -> None: ...

    def revoke_all(self, user: UUID) -> None:
        """All sessions of one person."""


class Names(Protocol):
    def id_of(self, name: str) -> UUID:
        """The id of the stream of a unique name, as a keyed hash: the name cannot be read back from it."""


# Work outside ---------------------------------------------------------------------------------------------


class TaskKind(StrEnum):
    START = "start"
    FEED = "feed"
    STOP = "stop"
    REMOVE = "remove"


class Task(msgspec.Struct, frozen=True):
    """One thing to do to a sandbox, because of one event."""

    id: UUID
    """The event's id."""
    kind: TaskKind
    execution: UUID
    correlation: UUID
    trace: str


class Followed(msgspec.Struct, frozen=True):
    """A run whose sandbox is to be followed to its end."""

    id: UUID


class Identified(Protocol):
    @property
    def id(self) -> UUID: ...


T_co = TypeVar("T_co", bound=Identified, covariant=True)


class Tasks(Protocol[T_co]):
    """One worker's tasks. They stay until they are done, whatever dies."""

    def pending(self) -> Sequence[T_co]:
        """The oldest first."""

    def done(self, tasks: Sequence[UUID]) -> None:
        """Forget them; harmless when they are forgotten already."""


class Starts(Tasks[Task], Protocol):
    """Those of the executor."""

    def reached(self) -> Mapping[int, int]:
        """Up to which position of each lane the tasks are made."""


class Roles(Protocol):
    def hold(self, role: str) -> AbstractContextManager[Event | None]:
        """While inside, nobody else holds this role. None where another process does; else set when it is lost.

        Raises LogUnavailable.
        """


class UnfinishedRuns(Protocol):
    def unfinished(self) -> Sequence[UUID]:
        """The runs that may not have ended yet, as the read model knows them: it may lag."""


# Sandboxes ------------------------------------------------------------------------------------------------

STDOUT, STDERR = 1, 2


class Runtime(msgspec.Struct, frozen=True):
    """A catalogue row: a language version and how it is run."""

    language: str
    version: str
    command: tuple[str, ...]
    """What runs a script; its file name is appended. The last word is the language's own program."""
    file_name: str
    image: str
    example: str

    @property
    def program(self) -> str:
        return self.command[-1]


class ExampleScript(msgspec.Struct, frozen=True):
    """A script that shows what can be done, and what it reads."""

    name: str
    description: str
    language: str
    file_name: str
    script: str
    stdin: str


class Job(msgspec.Struct, frozen=True):
    """All a sandbox needs to run one script."""

    sandbox: str
    """The sandbox's name, the same for every try to create it."""
    runtime: Runtime
    script: bytes
    stdin: bytes
    limits: Limits
    environment: Mapping[str, str] = {}
    """The person's own variables, beside those that every run has; a name of both means the person's."""
    stdin_open: bool = False
    """More may come by `feed`; without it stdin is closed after `stdin`."""
    network: bool = False
    """It may reach what the policy names; where there is none any more, its start raises NetworkWithdrawn."""


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
    at: datetime
    """When it ended; of a lost run, when that was found: what could have told is dead."""


Frame = Started | Output | Ended


class SandboxUnavailable(Exception):
    """Sandboxes cannot be started here; the message says what is missing and how to get it."""


class NetworkWithdrawn(SandboxUnavailable):
    """Runs have no network here any more."""


class SandboxUnreachable(Exception):
    """What runs the sandboxes cannot be reached now; nothing of them is lost. Try again in a moment."""


class NoCapacity(Exception):
    """All slots are taken; try again when a run has ended."""


class SandboxNotFound(Exception):
    """There is no such sandbox (any more)."""


class InputMissing(Exception):
    """Input before this was never given: give it from there on."""


class Sandbox(Protocol):
    """Isolated places to run one script each. They outlive the process that started them.

    Where they are elsewhere, every method but `free_slots` may raise SandboxUnreachable.
    """

    def start(self, job: Job) -> None:
        """Start it; a second start of the same name changes nothing. Raises NoCapacity, SandboxUnavailable."""

    def free_slots(self) -> int:
        """How many starts would find a slot now."""

    def watch(self, sandbox: str, after: int = 0) -> Iterator[Frame]:
        """Its frames, live: Started, each Output numbered above `after`, and at last Ended.

        Works again and again, also after the end, until `remove`. Raises SandboxNotFound.
        """

    def feed(self, sandbox: str, offset: int, data: bytes, is_last: bool) -> None:
        """Give the script more of its standard input, 1 MB at most in all; returns when it is on its way for good.

        `offset` counts the bytes given by `feed` before these: 0 for the first, as `Job.stdin` does not count. Each
        byte is taken once, however often it is given; after the last one the script reads an end of file. Harmless
        when the run has ended. Raises SandboxNotFound (not started, or removed), InputMissing.
        """

    def stop(self, sandbox: str) -> None:
        """Kill the whole tree within a second; the run ends as cancelled. Harmless when it has ended or is unknown."""

    def list(self) -> Sequence[str]:
        """The names of all sandboxes that were started and not removed, running or ended."""

    def remove(self, sandbox: str) -> None:
        """Forget an ended one with its output; kills a running one first. Harmless when unknown."""


class LiveUnavailable(Exception):
    """Live output cannot be passed on now; nothing of the run is lost, its end stores all of it."""


class FramesMissing(Exception):
    """Frames before these were never written, or were forgotten: write again from the last one that is there."""


class LiveOutput(Protocol):
    """Output on its way to whoever watches, kept until the run's end has stored it for good."""

    def last(self, execution: UUID) -> int:
        """The number of the last frame written; 0 for none. Raises LiveUnavailable."""

    def append(self, execution: UUID, owner: UUID, frames: Sequence[Output]) -> None:
        """Write and announce frames, sealed with the owner's key; those not above the last one are dropped.

        Raises FramesMissing when they do not follow the last one, LiveUnavailable when nothing can be written.
        """

    def expire(self, execution: UUID) -> None:
        """It is stored for good: forget it in a minute."""


class Runtimes(Protocol):
    def find(self, language: str, version: str | None) -> Runtime | None:
        """The newest one that can run here when no version is named; None when there is none."""

    def versions(self, language: str) -> Mapping[str, str | None]:
        """Of a language, oldest first, each with why it cannot run here if it cannot; empty where there is none."""
