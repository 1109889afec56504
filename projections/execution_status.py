"""Where each run stands: one document per execution, and its part of the live stream."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import UUID

import msgspec

from application.ports.log import Recorded
from domain.execution import Execution, Limits, Outcome, Status
from domain.sealed import Sealed
from projections.projection import Notice, Projection, Put, Query, plain

FINISHED = "finished"


class ExecutionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One run as its owner sees it; private content is still sealed."""

    id: UUID
    owner: UUID
    language: str
    version: str
    script: Sealed[str]
    stdin: Sealed[bytes] | None
    limits: Limits
    environment: Sealed[bytes] | None = None
    retry_of: UUID | None = None
    stdin_open: bool = False
    """Whether it takes more input."""
    stdin_offset: int = 0
    network: bool = False
    status: Status
    requested_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    is_cancel_requested: bool = False
    outcome: Outcome | None = None
    output: Sealed[bytes] | None = None
    position: int


def fold(event: Recorded) -> Iterator[Put]:
    match event.data:
        case Execution.Requested() as requested:
            yield Put(
                event.stream,
                owner=requested.owner,
                language=requested.language,
                version=requested.version,
                script=plain(requested.script),
                stdin=plain(requested.stdin),
                limits=plain(requested.limits),
                environment=plain(requested.environment),
                retry_of=requested.retry_of,
                stdin_open=requested.stdin_open,
                network=requested.network,
                status=Status.QUEUED.value,
                requested_at=event.at,
            )
        case Execution.SandboxCreated():
            yield Put(event.stream, status=Status.STARTING.value)
        case Execution.Started():
            yield Put(event.stream, status=Status.RUNNING.value, started_at=event.at)
        case Execution.InputGiven(offset=offset, size=size, is_last=is_last):
            yield Put(event.stream, stdin_offset=offset + size, stdin_open=not is_last)
        case Execution.CancelRequested():
            yield Put(event.stream, is_cancel_requested=True)
        case Execution.Finished(outcome=outcome, output=output):
            yield Put(
                event.stream,
                status=outcome.status.value,
                stdin_open=False,
                ended_at=event.at,
                outcome=plain(outcome),
                output=plain(output),
            )


class TimelineEntry(msgspec.Struct, frozen=True):
    """One event of a run, in words."""

    position: int
    at: datetime
    type: str
    words: str
    status: Status | None


def timeline_entry(event: Recorded) -> TimelineEntry:
    kind, words, status = _describe(event)
    return TimelineEntry(event.position, event.at, kind, words, status)


_PLAIN: dict[type, tuple[str, str, Status | None]] = {
    Execution.SandboxCreated: ("sandbox_created", "A sandbox is being made", Status.STARTING),
    Execution.Started: ("started", "Running", Status.RUNNING),
    Execution.CancelRequested: ("cancel_requested", "Asked to cancel", None),
}


def _describe(event: Recorded) -> tuple[str, str, Status | None]:
    match event.data:
        case Execution.Requested(language=language, version=version, retry_of=retry_of, network=network):
            again = f", again after run {retry_of}" if retry_of else ""
            way_out = " with network" if network else ""
            return "requested", f"Requested, {language} {version}{way_out}{again}", Status.QUEUED
        case Execution.Prioritized(priority=priority):
            return "prioritized", f"Priority {priority}", None
        case Execution.InputGiven(size=size, is_last=is_last):
            return "input_given", _input_words(size, is_last), None
        case Execution.Finished(outcome=outcome):
            return FINISHED, _sentence(outcome), outcome.status
    return _PLAIN[type(event.data)]


def _input_words(size: int, is_last: bool) -> str:
    if not size:
        return "Input ended"
    return f"{size:,} byte{'' if size == 1 else 's'} of input{', the last' if is_last else ''}"


def end_entry(run: ExecutionStatus) -> TimelineEntry:
    """The last entry of an ended run, as its event would give it."""
    if run.outcome is None or run.ended_at is None:
        raise ValueError(f"run {run.id} has not ended")
    return TimelineEntry(run.position, run.ended_at, FINISHED, _sentence(run.outcome), run.status)


def _sentence(outcome: Outcome) -> str:
    return outcome.reason[:1].upper() + outcome.reason[1:]


def announce(event: Recorded) -> Iterator[Notice]:
    if event.type.startswith("Execution."):
        entry = timeline_entry(event)
        data = msgspec.to_builtins(entry)
        yield Notice(event.position, event.lane, event.stream, event.version, entry.type, data)


def one(execution: UUID) -> Query:
    return Query("execution_status", {"_id": execution}, limit=1)


def several(executions: Iterable[UUID]) -> Query:
    return Query("execution_status", {"_id": {"$in": list(executions)}})


class Unfinished(msgspec.Struct, frozen=True):
    """One run that has not ended, without what it runs."""

    id: UUID
    status: Status


def unfinished() -> Query:
    return Query("execution_status", {"ended_at": None}, fields=("status",))


def unfinished_of(owner: UUID, limit: int) -> Query:
    return Query("execution_status", {"ended_at": None, "owner": owner}, limit=limit, fields=("status",))


PROJECTION = Projection("execution_status", 2, fold, indexes=((("ended_at", 1),),), announce=announce)
