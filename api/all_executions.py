"""Everybody's runs, for admins: without scripts and titles, which are their owners'."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta
from quart import Blueprint, Response

from api.crossing import backend, crossing
from api.messages import PageQuery, answer, body, query
from api.openapi import Description, describe
from api.projections import Asked
from api.sessions import context, current_admin
from api.views import ExecutionView, row_view
from api.waiting import until
from domain.execution import Status
from projections import execution_history
from projections.execution_history import ExecutionRow
from projections.projection import Query

blueprint = Blueprint("all executions", __name__, url_prefix="/api/v1/admin")

PROJECTION = execution_history.PROJECTION.name


class OwnedView(ExecutionView, frozen=True, kw_only=True):
    """One run, and whose it is."""

    owner: UUID
    priority: int


class OwnedPage(msgspec.Struct, frozen=True):
    items: list[OwnedView]
    next: str | None
    """Send it as `cursor` for the next page; null on the last one."""


class PriorityWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    priority: Annotated[int, Meta(ge=-100, le=100, description="0 unless it is set; larger ones come first.")]


class AllQuery(PageQuery, frozen=True, forbid_unknown_fields=True):
    status: Status | None = None
    owner: UUID | None = None


@blueprint.get("/executions")
@describe(Description({200: OwnedPage}, (401, 403), query=AllQuery))
async def list_all_executions() -> Response:
    """Everybody's runs, newest first."""
    await current_admin()
    wanted = query(AllQuery)
    before = int(wanted.cursor) if wanted.cursor else None
    return await _page(execution_history.of_all(wanted.status, wanted.owner, before, wanted.limit + 1), wanted)


@blueprint.get("/queue")
@describe(Description({200: OwnedPage}, (401, 403), query=PageQuery))
async def show_queue() -> Response:
    """The runs that wait for a sandbox, the oldest first."""
    await current_admin()
    wanted = query(PageQuery)
    return await _page(execution_history.queue(int(wanted.cursor or 0), wanted.limit + 1), wanted)


@blueprint.put("/queue/<uuid:id>/priority")
@describe(Description({202: Asked}, (401, 403, 404, 409), body=PriorityWish, example={"priority": 10}))
async def set_priority(id: UUID) -> Response:
    """Let a run that waits come before those with a lower priority."""
    account = await current_admin()
    wanted = await body(PriorityWish)
    return answer(Asked(await crossing(backend().executions.prioritize, context(account.id), id, wanted.priority)), 202)


async def _page(asked: Query, wanted: PageQuery) -> Response:
    await until(backend(), PROJECTION, wanted.min_position)
    rows = await backend().read_models.find(asked, ExecutionRow)
    shown = rows[: wanted.limit]
    next = str(shown[-1].requested_position) if len(rows) > wanted.limit else None
    return answer(OwnedPage([owned_view(row) for row in shown], next))


def owned_view(row: ExecutionRow) -> OwnedView:
    return OwnedView(**msgspec.structs.asdict(row_view(row)), owner=row.owner, priority=row.priority)
