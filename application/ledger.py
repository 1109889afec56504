"""The log as it stands: every entry, whether or not this program knows its type. For people, exports and checks."""

from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

import msgspec

from application.progress import Tell, tell_nobody
from domain.sealed import Sealed


class Entry(msgspec.Struct, frozen=True):
    """An event as it was written."""

    position: int
    lane: int
    stream: UUID
    version: int
    type: str
    schema: int
    """The version of its own fields."""
    id: UUID
    at: datetime
    actor: str
    correlation: UUID
    causation: UUID | None
    trace: str
    data: Any
    """Its own fields, as plain JSON; private content is sealed."""


class Selection(msgspec.Struct, frozen=True):
    """Which entries; all that is given must hold. `since` is included, `until` is not."""

    stream: UUID | None = None
    type: str | None = None
    id: UUID | None = None
    correlation: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    actor: str | None = None
    upto: int | None = None
    """No position behind this one."""

    def holds(self, entry: Entry) -> bool:
        wanted = ("stream", "type", "id", "correlation", "actor")
        return (
            all(getattr(self, name) in {None, getattr(entry, name)} for name in wanted)
            and (self.since is None or entry.at >= self.since)
            and (self.until is None or entry.at < self.until)
            and (self.upto is None or entry.position <= self.upto)
        )


class Tally(msgspec.Struct):
    """Some events: their number, the streams that begin with one of them, and the bytes they take."""

    events: int = 0
    streams: int = 0
    bytes: int = 0

    def add(self, other: "Tally") -> None:
        self.events += other.events
        self.streams += other.streams
        self.bytes += other.bytes


class Statistics(msgspec.Struct, frozen=True):
    """The whole log in figures. Days are those of the commits, in UTC."""

    total: Tally
    by_type: dict[str, Tally]
    by_day: dict[str, Tally]
    by_lane: dict[int, Tally]


class Flaw(StrEnum):
    """What can be wrong with an entry."""

    POSITION = "position"
    SHAPE = "shape"
    TIME = "time"
    KEYS = "keys"
    VERSION = "version"
    LANE = "lane"
    ENVELOPE = "envelope"
    UNREADABLE = "unreadable"
    UNKNOWN_TYPE = "unknown_type"
    NEWER_SCHEMA = "newer_schema"
    CHUNK = "chunk"
    DATA_KEY = "data_key"
    INDEX = "index"


def exported(position: int, event: bytes) -> bytes:
    """A line of a file of events: the position, and then the event to the byte as it stands in the log."""
    return b'{"position":%d,%b\n' % (position, event[1:])


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it must be."""

    position: int
    """0 where it concerns no event in particular."""
    flaw: Flaw
    detail: str


class Ledger(Protocol):
    """Every method may raise LogUnavailable; those that decode entries, UnreadableEvent."""

    def head(self) -> int:
        """The last position; 0 for an empty log."""

    def position_at(self, time: datetime) -> int:
        """The last position that was stored by then; 0 before the first."""

    def find(self, position: int) -> Entry | None: ...

    def entries(self, wanted: Selection, after: int = 0, tell: Tell = tell_nobody) -> Iterator[Entry]:
        """Those that are there now, in order, read as they are asked for."""

    def lines(self, after: int, tell: Tell = tell_nobody) -> Iterator[tuple[int, bytes]]:
        """Every event as the very bytes that were written, JSON without a line break, with its position."""

    def statistics(self, tell: Tell = tell_nobody) -> Statistics: ...

    def verify(self, tell: Tell = tell_nobody) -> Iterator[Finding]:
        """Whether all that the log promises holds for what is there now."""


def with_sealed(value: Any, shown: Callable[[Sealed[Any]], Any]) -> Any:
    """An entry's data with all sealed content in it as it is to be shown."""
    if (sealed := as_sealed(value)) is not None:
        return shown(sealed)
    if isinstance(value, dict):
        return {name: with_sealed(part, shown) for name, part in value.items()}
    if isinstance(value, list):
        return [with_sealed(part, shown) for part in value]
    return value


def sealed_in(value: Any) -> Iterator[Sealed[Any]]:
    """All sealed content in an entry's data."""
    if isinstance(value, dict):
        if (sealed := as_sealed(value)) is not None:
            yield sealed
        else:
            for part in value.values():
                yield from sealed_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from sealed_in(part)


def as_sealed(value: Any) -> Sealed[Any] | None:
    """What sealed content looks like in JSON, whatever event it stands in; None for anything else."""
    if not isinstance(value, dict) or not {"key", "size"} <= value.keys():
        return None
    try:
        return msgspec.convert(value, Sealed)
    except msgspec.ValidationError:
        return None
