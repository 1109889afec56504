"""The runs of each person, newest first: a light row per run."""

from collections.abc import Collection, Iterator
from datetime import datetime
from uuid import UUID

import msgspec

from application.ports.log import Recorded
from domain.execution import Execution, Status
from projections.projection import ASCENDING, DESCENDING, Projection, Put, Query


class ExecutionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One run in a list. Times in UTC, durations in seconds, sizes in bytes."""

    id: UUID
    owner: UUID
    language: str
    version: str
    status: Status
    priority: int = 0
    requested_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    wall_seconds: float | None = None
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    stdout_bytes: int | None = None
    stderr_bytes: int | None = None
    requested_position: int
    position: int


def fold(event: Recorded) -> Iterator[Put]:
    match event.data:
        case Execution.Requested(owner=owner, language=language, version=version):
            yield Put(
                event.stream,
                owner=owner,
                language=language,
                version=version,
                status=Status.QUEUED.value,
                requested_at=event.at,
                requested_position=event.position,
            )
        case Execution.Prioritized(priority=priority):
            yield Put(event.stream, priority=priority)
        case Execution.SandboxCreated():
            yield Put(event.stream, status=Status.STARTING.value)
        case Execution.Started():
            yield Put(event.stream, status=Status.RUNNING.value, started_at=event.at)
        case Execution.Finished(outcome=outcome):
            yield Put(
                event.stream,
                status=outcome.status.value,
                ended_at=event.at,
                reason=outcome.reason,
                exit_code=outcome.exit_code,
                signal=outcome.signal,
                wall_seconds=outcome.wall_seconds,
                cpu_seconds=outcome.cpu_seconds,
                peak_memory_bytes=outcome.peak_memory_bytes,
                stdout_bytes=outcome.stdout_bytes,
                stderr_bytes=outcome.stderr_bytes,
            )


def page(owner: UUID | None, before: int | None, limit: int) -> Query:
    """The runs of one owner (of everybody for None) requested before a position, newest first."""
    conditions: dict[str, object] = {} if owner is None else {"owner": owner}
    if before is not None:
        conditions["requested_position"] = {"$lt": before}
    return Query("execution_history", conditions, (("requested_position", DESCENDING),), limit)


def of_all(status: Status | None, owner: UUID | None, before: int | None, limit: int) -> Query:
    """Everybody's runs, or those that stand so, or of one person, newest first."""
    query = page(owner, before, limit)
    return query if status is None else msgspec.structs.replace(query, filter={**query.filter, "status": status.value})


def queue(after: int = 0, limit: int = 0) -> Query:
    """The runs that wait for a sandbox, requested after a position, the oldest first."""
    conditions = {"status": Status.QUEUED.value, "requested_position": {"$gt": after}}
    return Query("execution_history", conditions, (("requested_position", ASCENDING),), limit)


def several(executions: Collection[UUID]) -> Query:
    return Query("execution_history", {"_id": {"$in": list(executions)}})


def under_way() -> Query:
    """The runs that have a sandbox, or will have one in a moment."""
    wanted = {"$in": [Status.STARTING.value, Status.RUNNING.value]}
    return Query("execution_history", {"status": wanted}, fields=("status",))


PROJECTION = Projection(
    "execution_history",
    2,
    fold,
    indexes=(
        (("owner", ASCENDING), ("requested_position", DESCENDING)),
        (("status", ASCENDING), ("requested_position", DESCENDING)),
        (("requested_position", DESCENDING),),
    ),
)
