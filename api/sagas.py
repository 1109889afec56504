"""Sagas, for admins: where each run that got a place stands on its way through its sandbox."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta
from quart import Blueprint, Response

from api.crossing import backend, crossing
from api.messages import Nothing, PageQuery, answer, optional_body, query
from api.openapi import Description, describe
from api.projections import Asked
from api.sessions import context, current_admin
from api.waiting import until
from application.sagas import SagaView
from domain.execution import Status
from domain.saga import Step, step_of
from projections import execution_history, sagas
from projections.execution_history import ExecutionRow
from projections.sagas import SagaRow

blueprint = Blueprint("sagas", __name__, url_prefix="/api/v1/admin/sagas")


class SagaQuery(PageQuery, frozen=True, forbid_unknown_fields=True):
    execution: UUID | None = None
    is_open: Annotated[bool | None, Meta(description="Only those that hold a place, or only the others.")] = None


class SagaItem(msgspec.Struct, frozen=True, kw_only=True):
    """One saga in a list."""

    id: UUID
    execution: UUID
    owner: UUID
    status: Status
    """Of the run."""
    step: Step
    """What comes next."""
    begun_at: datetime
    start_by: datetime
    end_by: datetime
    compensated: Step | None
    released_at: datetime | None


class SagaPage(msgspec.Struct, frozen=True):
    items: list[SagaItem]
    next: str | None
    """Send it as `cursor` for the next page; null on the last one."""


@blueprint.get("")
@describe(Description({200: SagaPage}, (401, 403), query=SagaQuery))
async def list_sagas() -> Response:
    """All sagas, newest first. A run has one from the moment it gets a place."""
    await current_admin()
    wanted = query(SagaQuery)
    for projection in ("sagas", "execution_history"):
        await until(backend(), projection, wanted.min_position)
    before = int(wanted.cursor) if wanted.cursor else None
    page = sagas.page(wanted.is_open, wanted.execution, before, wanted.limit + 1)
    rows = await backend().read_models.find(page, SagaRow)
    shown = rows[: wanted.limit]
    runs = await backend().read_models.find(execution_history.several([row.execution for row in shown]), ExecutionRow)
    statuses = {run.id: run.status for run in runs}
    next = str(shown[-1].begun_position) if len(rows) > wanted.limit else None
    return answer(SagaPage([item(row, statuses[row.execution]) for row in shown if row.execution in statuses], next))


@blueprint.get("/<uuid:id>")
@describe(Description({200: SagaView}, (401, 403, 404)))
async def show_saga(id: UUID) -> Response:
    """One saga, with every step that is behind it and the event that says so."""
    await current_admin()
    return answer(await crossing(backend().sagas.view, id))


@blueprint.post("/<uuid:id>/cancel")
@describe(Description({202: Asked}, (401, 403, 404, 409), body=Nothing, example={}, has_optional_body=True))
async def cancel_saga(id: UUID) -> Response:
    """Ask its run to end, at whatever step it is; its sandbox is gone within a second, then its place is free."""
    account = await current_admin()
    await optional_body(Nothing)
    return answer(Asked(await crossing(backend().sagas.cancel, context(account.id), id)), 202)


def item(row: SagaRow, status: Status) -> SagaItem:
    step = step_of(status, row.released_at is not None)
    fields = {name: getattr(row, name) for name in SagaItem.__struct_fields__ if name not in {"status", "step"}}
    return SagaItem(**fields, status=status, step=step)
