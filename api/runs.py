"""The document of one run: as the read model has it, as it was, or as the log alone tells it."""

from uuid import UUID

from api.backend import Backend
from api.waiting import until
from application.ports.log import StreamNotFound
from projections import execution_status
from projections.execution_status import ExecutionStatus
from projections.projection import typed

PROJECTION = execution_status.PROJECTION


async def status_of(backend: Backend, id: UUID, last: int, min_position: int) -> ExecutionStatus:
    """As the read model has it, not older than a position; from the log, where it has not heard of the run yet.

    `last` is the position of the run's last event. Raises a Problem with status 504 when the read model is late.
    """
    await until(backend, PROJECTION.name, min_position)
    return await stored(backend, id) or await of_log(backend, id, last)


async def stored(backend: Backend, id: UUID) -> ExecutionStatus | None:
    """As the read model has it; None where it has not heard of the run yet."""
    found = await backend.read_models.find(execution_status.one(id), ExecutionStatus)
    return found[0] if found else None


async def of_log(backend: Backend, id: UUID, upto: int) -> ExecutionStatus:
    """As its events make it up to this position, whatever the read model holds."""
    found = await backend.cross(backend.past.folded, PROJECTION, id, upto)
    return typed({**(found or {}), "id": id}, ExecutionStatus)


async def past_of(backend: Backend, id: UUID, moment: int) -> ExecutionStatus:
    """What the document of a run was. Raises StreamNotFound where there was none yet."""
    generation = await backend.read_models.generation(PROJECTION.name)
    found = await backend.cross(backend.past.document, PROJECTION, generation, id, moment)
    if found is None:
        raise StreamNotFound(f"There was no run {id} at position {moment}.")
    return typed({**found, "id": id}, ExecutionStatus)
