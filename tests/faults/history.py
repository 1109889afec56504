"""What clients asked of the log and what they were told: lines in files, which outlive a killed process."""

import os
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from uuid import UUID, uuid4

import msgspec

from adapters.mongo.writing.settling import OutcomeUnknown
from application.ports.log import EventLog, LogUnavailable, Recorded, VersionConflict
from domain.aggregate import Aggregate
from tests.contracts.event_log import OPERATOR


class Outcome(StrEnum):
    STORED = "stored"
    REFUSED = "refused"
    """By a conflict, or because the store could not be reached: nothing was stored."""
    UNKNOWN = "unknown"


class Asked(msgspec.Struct, frozen=True, tag="asked"):
    """A command on its way to the log, under an id that its events carry as their correlation."""

    command: UUID
    events: tuple[tuple[UUID, int], ...]
    """Stream and version of each, in order."""


class Told(msgspec.Struct, frozen=True, tag="told"):
    """The answer. A command without one belongs to a process that was killed."""

    command: UUID
    outcome: Outcome
    last: int = 0
    """The position of its last event."""


class Seen(msgspec.Struct, frozen=True, tag="seen"):
    """An event as a reader got it."""

    position: int
    stream: UUID
    version: int
    command: UUID


Note = Asked | Told | Seen


class Notes:
    """Appends notes to one file; several threads may do so, and several processes one after another."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, *notes: Note) -> None:
        os.write(self._file, b"".join(msgspec.json.encode(note) + b"\n" for note in notes))


def read(path: Path) -> Sequence[Note]:
    """Complete lines alone: a process may be killed in the middle of one."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [msgspec.json.decode(line, type=Note) for line in lines if line.endswith(b"\n")]


def save(log: EventLog, notes: Notes, *aggregates: Aggregate) -> int:
    """Save under a command id of its own, and note what was asked and answered. Raises what the log raises."""
    context = msgspec.structs.replace(OPERATOR, correlation=uuid4())
    pending = [event for aggregate in aggregates for event in aggregate.pending_events]
    notes.write(Asked(context.correlation, tuple((one.originator_id, one.originator_version) for one in pending)))
    try:
        last = log.save(context, *aggregates)
    except (VersionConflict, LogUnavailable) as error:
        is_unknown = isinstance(error.__cause__, OutcomeUnknown)
        notes.write(Told(context.correlation, Outcome.UNKNOWN if is_unknown else Outcome.REFUSED))
        raise
    notes.write(Told(context.correlation, Outcome.STORED, last))
    return last


def seen(events: Iterable[Recorded]) -> Sequence[Seen]:
    return [Seen(event.position, event.stream, event.version, event.correlation) for event in events]
