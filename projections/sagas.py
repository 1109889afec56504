"""Every saga: a light row each, for those who run the system."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import msgspec

from application.ports.log import Recorded
from domain.saga import Saga, Step
from projections.projection import ASCENDING, DESCENDING, Projection, Put, Query


class SagaRow(msgspec.Struct, frozen=True, kw_only=True):
    """Where the saga of one run stands, as far as its own events tell."""

    id: UUID
    execution: UUID
    owner: UUID
    sandbox: str
    begun_at: datetime
    begun_position: int
    start_by: datetime
    end_by: datetime
    compensated: Step | None = None
    reason: str | None = None
    released_at: datetime | None = None


def fold(event: Recorded) -> Iterator[Put]:
    match event.data:
        case Saga.Begun() as begun:
            yield Put(
                event.stream,
                execution=begun.execution,
                owner=begun.owner,
                sandbox=begun.sandbox,
                begun_at=event.at,
                begun_position=event.position,
                start_by=begun.start_by,
                end_by=begun.end_by,
                released_at=None,
            )
        case Saga.Compensated(step=step, reason=reason):
            yield Put(event.stream, compensated=step.value, reason=reason)
        case Saga.Released():
            yield Put(event.stream, released_at=event.at)


def page(is_open: bool | None, execution: UUID | None, before: int | None, limit: int) -> Query:
    """The sagas, newest first: all, or those that hold a place, or those that do not; or the one of a run."""
    conditions: dict[str, object] = {}
    if is_open is not None:
        conditions["released_at"] = None if is_open else {"$ne": None}
    if execution is not None:
        conditions["execution"] = execution
    if before is not None:
        conditions["begun_position"] = {"$lt": before}
    return Query("sagas", conditions, (("begun_position", DESCENDING),), limit)


PROJECTION = Projection(
    "sagas",
    1,
    fold,
    indexes=(
        (("begun_position", DESCENDING),),
        (("released_at", ASCENDING), ("begun_position", DESCENDING)),
        (("execution", ASCENDING),),
    ),
    is_patient=True,
)
