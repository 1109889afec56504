"""What workers have yet to do to read models: the durable half of what their operators asked for."""

from collections.abc import Iterator
from enum import StrEnum
from uuid import UUID

import msgspec

from application.ports.log import Recorded
from domain.read_model import ReadModel
from projections.changes import Changes
from projections.projection import OLDEST_FIRST, Projection, Put


class Chore(StrEnum):
    REBUILD = "rebuild"
    ROLL_BACK = "roll_back"
    VERIFY = "verify"
    DROP_PREVIOUS = "drop_previous"
    PAUSE = "pause"
    RESUME = "resume"


class MaintenanceTask(msgspec.Struct, frozen=True):
    """One thing to do to one read model, because of one event."""

    id: UUID
    """The event's id."""
    work: Chore
    projection: str
    is_full: bool
    """Whether all documents are compared with the log."""
    correlation: UUID
    trace: str
    position: int = 0


def fold(event: Recorded) -> Iterator[Put]:
    match event.data:
        case ReadModel.RebuildRequested(projection=projection, is_full=is_full):
            yield _task(event, Chore.REBUILD, projection, is_full=is_full)
        case ReadModel.VerificationRequested(projection=projection, is_full=is_full):
            yield _task(event, Chore.VERIFY, projection, is_full=is_full)
        case ReadModel.RollbackRequested(projection=projection):
            yield _task(event, Chore.ROLL_BACK, projection)
        case ReadModel.PreviousDropped(projection=projection):
            yield _task(event, Chore.DROP_PREVIOUS, projection)
        case ReadModel.Paused(projection=projection):
            yield _task(event, Chore.PAUSE, projection)
        case ReadModel.Resumed(projection=projection):
            yield _task(event, Chore.RESUME, projection)


def _task(event: Recorded, work: Chore, projection: str, *, is_full: bool = False) -> Put:
    return Put(
        event.id,
        work=work.value,
        projection=projection,
        is_full=is_full,
        correlation=event.correlation,
        trace=event.trace,
    )


def as_maintenance(changes: Changes) -> list[MaintenanceTask]:
    """What a committed batch leaves to do."""
    documents = ({**one.document, "id": id} for id, one in changes.items())
    return [msgspec.convert(document, MaintenanceTask, builtin_types=(UUID,)) for document in documents]


MAINTENANCE = Projection("maintenance_tasks", 1, fold, OLDEST_FIRST, is_effect=True)
