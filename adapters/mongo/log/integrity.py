"""What must hold in the log, checked commit by commit in the order of positions. Knows no server."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from adapters.mongo.commits import envelope
from adapters.mongo.commits.commits import MAX_EVENTS, Line, key
from adapters.mongo.commits.envelope import Envelope, payload_of
from application.ledger import Finding, Flaw, sealed_in
from application.ports.log import NewerSchema, UnknownEventType, UnreadableEvent
from domain.aggregate import Aggregate
from domain.events import AGGREGATES
from domain.sealed import Sealed

ORIGIN = datetime.min.replace(tzinfo=UTC)
KEPT_TYPES = (UUID, bytes, datetime)

_own_lane = {kind.name for kind in AGGREGATES if kind.lane_key is Aggregate.lane_key}
"""The aggregates whose lane follows from their stream's id."""


class StoredEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    s: UUID
    v: int
    t: str
    lane: int
    d: bytes


class StoredCommit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One document of `commits`; see there."""

    id: int = msgspec.field(name="_id")
    z: int
    n: int
    at: datetime
    c: list[UUID]
    st: list[UUID]
    l: list[int]  # noqa: E741 - so it is stored
    k: list[bytes]
    e: list[StoredEvent]


class Integrity:
    """Remembers of the whole log where it has come to, and the last version of every stream: about 150 bytes each."""

    def __init__(self, lane_of: Callable[[UUID], int], lanes: int) -> None:
        self._lane_of = lane_of
        self._lanes = lanes
        self._position = 0
        self._at = ORIGIN
        self._versions: dict[bytes, int] = {}
        self._lane_of_stream: dict[bytes, int] = {}
        """Of streams that share a lane with another one."""
        self._sealed: list[tuple[int, Sealed[Any]]] = []
        self.number = 0
        """How many commits were checked."""

    def take_sealed(self) -> list[tuple[int, Sealed[Any]]]:
        """All sealed content in what was checked since this was last asked, with the positions of its events."""
        sealed, self._sealed = self._sealed, []
        return sealed

    def check(self, document: Mapping[str, Any]) -> Iterator[Finding]:
        """What is wrong with the commit that comes next in the log."""
        self.number += 1
        try:
            commit = msgspec.convert(document, StoredCommit, builtin_types=KEPT_TYPES)
        except msgspec.ValidationError as error:
            yield Finding(self._position + 1, Flaw.SHAPE, f"commit {document.get('_id')!r} is no commit: {error}")
            return
        yield from self._check_place(commit)
        yield from self._check_index_fields(commit)
        for position, event in enumerate(commit.e, commit.id):
            yield from self._check_event(position, event)
        self._position = max(self._position, commit.id + len(commit.e) - 1)
        self._at = max(self._at, commit.at)

    def end(self, head: int) -> Iterator[Finding]:
        """What is wrong behind the last commit."""
        if self._position < head:
            yield _hole(self._position, head + 1)

    # A commit -------------------------------------------------------------------------------------------------

    def _check_place(self, commit: StoredCommit) -> Iterator[Finding]:
        if commit.id > self._position + 1:
            yield _hole(self._position, commit.id)
        if commit.id <= self._position:
            detail = f"the commit {commit.id} begins at or before position {self._position}, which another one holds"
            yield Finding(commit.id, Flaw.POSITION, detail)
        if not 0 < len(commit.e) == commit.n == commit.z - commit.id + 1 <= MAX_EVENTS:
            detail = f"the commit {commit.id} says n={commit.n} and z={commit.z}, and holds {len(commit.e)} events"
            yield Finding(commit.id, Flaw.SHAPE, detail)
        if commit.at < self._at:
            detail = f"the commit time falls from {self._at.isoformat()} to {commit.at.isoformat()}"
            yield Finding(commit.id, Flaw.TIME, detail)

    def _check_index_fields(self, commit: StoredCommit) -> Iterator[Finding]:
        """By these fields events are found and kept apart."""
        expected = {
            "k": [bytes(key(event.s, event.v)) for event in commit.e],
            "st": list(dict.fromkeys(event.s for event in commit.e)),
            "l": list(dict.fromkeys(event.lane for event in commit.e)),
        }
        for name, values in expected.items():
            if getattr(commit, name) != values:
                yield Finding(commit.id, Flaw.KEYS, f"the field {name} of commit {commit.id} is not that of its events")

    # An event -------------------------------------------------------------------------------------------------

    def _check_event(self, position: int, event: StoredEvent) -> Iterator[Finding]:
        yield from self._check_version(position, event)
        yield from self._check_lane(position, event)
        try:
            found = envelope.unwrap(event.d)
        except UnreadableEvent as error:
            yield Finding(position, Flaw.ENVELOPE, f"the envelope cannot be read: {error}")
            return
        yield from _check_agreement(position, event, found)
        yield from _check_payload(position, found)
        self._sealed += ((position, sealed) for sealed in sealed_in(msgspec.json.decode(found.data)))

    def _check_version(self, position: int, event: StoredEvent) -> Iterator[Finding]:
        last = self._versions.get(event.s.bytes, 0)
        if event.v != last + 1:
            detail = f"stream {event.s} goes from version {last} to {event.v}"
            yield Finding(position, Flaw.VERSION, detail)
        self._versions[event.s.bytes] = max(last, event.v)

    def _check_lane(self, position: int, event: StoredEvent) -> Iterator[Finding]:
        if event.t.partition(".")[0] in _own_lane:
            right = self._lane_of(event.s)
        else:
            right = self._lane_of_stream.setdefault(event.s.bytes, event.lane)
        if event.lane != right or not 0 <= event.lane < self._lanes:
            yield Finding(position, Flaw.LANE, f"stream {event.s} is in lane {event.lane}, not {right}")


def _check_agreement(position: int, event: StoredEvent, found: Envelope) -> Iterator[Finding]:
    line = Line(found.stream, found.version, found.type, found.lane, event.d)
    stored = Line(event.s, event.v, event.t, event.lane, event.d)
    for name in ("stream", "version", "type", "lane"):
        says, stands = getattr(line, name), getattr(stored, name)
        if says != stands:
            yield Finding(position, Flaw.ENVELOPE, f"the envelope says {name} {says}, its commit {stands}")


def _check_payload(position: int, found: Envelope) -> Iterator[Finding]:
    try:
        payload_of(found.type).decode(found.data, found.schema)
    except UnknownEventType as error:
        yield Finding(position, Flaw.UNKNOWN_TYPE, str(error))
    except NewerSchema as error:
        yield Finding(position, Flaw.NEWER_SCHEMA, str(error))
    except UnreadableEvent as error:
        yield Finding(position, Flaw.UNREADABLE, f"the event's own fields cannot be read: {error}")


def _hole(last: int, next: int) -> Finding:
    missing = f"position {last + 1} is" if next == last + 2 else f"positions {last + 1} to {next - 1} are"
    return Finding(last + 1, Flaw.POSITION, f"{missing} missing")
