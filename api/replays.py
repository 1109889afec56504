"""Replays, for admins: events once more into a file, a topic of its own, or a read model beside the live one."""

from collections.abc import Callable
from uuid import UUID

import msgspec
from quart import Blueprint, Response

from api.crossing import backend, crossing
from api.messages import Fresh, Nothing, answer, body, optional_body, query
from api.openapi import Description, describe
from api.projections import Asked
from api.sessions import context, current_admin
from api.waiting import until
from application.ports.log import Context
from application.replays import Preview, Replays, ReplayView, Wanted
from domain.replay import Target
from projections.replays import PROJECTION, ReplayRow, newest, with_progress

blueprint = Blueprint("replays", __name__, url_prefix="/api/v1/admin/replays")


class ReplayList(msgspec.Struct, frozen=True):
    items: list[ReplayRow]


class ReplayRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to replay, and where to."""

    target: Target
    selection: Wanted = Wanted()
    """Empty for the whole log as it is now."""
    speed: float = 0.0
    """Events a second; 0 for as fast as it goes."""
    is_dry_run: bool = False
    """Count the events and show the first ones; change nothing."""


EXAMPLE = {
    "target": {"kind": "file", "name": "logins.jsonl"},
    "selection": {"types": ["User.LoggedIn"], "since": "2026-01-01T00:00:00Z"},
    "is_dry_run": True,
}


@blueprint.get("")
@describe(Description({200: ReplayList}, (401, 403), query=Fresh))
async def list_replays() -> Response:
    """All replays, newest first."""
    await current_admin()
    await until(backend(), PROJECTION.name, query(Fresh).min_position)
    rows = await backend().read_models.find(newest(), ReplayRow)
    marks = await crossing(backend().replays.marks, [row.id for row in rows])
    return answer(ReplayList(with_progress(rows, marks)))


@blueprint.post("")
@describe(Description({200: Preview, 201: ReplayView}, (401, 403, 404, 409), body=ReplayRequest, example=EXAMPLE))
async def prepare_replay() -> Response:
    """A dry run, or a replay that is ready to be started."""
    account = await current_admin()
    wanted = await body(ReplayRequest)
    replays = backend().replays
    if wanted.is_dry_run:
        await crossing(replays.check, wanted.target, wanted.speed)
        return answer(await crossing(replays.preview, wanted.selection))
    by = context(account.id)
    id, _ = await crossing(replays.prepare, by, wanted.selection, wanted.target, wanted.speed)
    return answer(await crossing(replays.view, id), 201)


@blueprint.get("/<uuid:id>")
@describe(Description({200: ReplayView}, (401, 403)))
async def show_replay(id: UUID) -> Response:
    """One replay, and how far it is."""
    await current_admin()
    return answer(await crossing(backend().replays.view, id))


@blueprint.post("/<uuid:id>/start")
@describe(Description({202: Asked}, (401, 403), body=Nothing, example={}, has_optional_body=True))
async def start_replay(id: UUID) -> Response:
    """Begin a prepared one."""
    return await _asked(lambda replays, by: replays.start(by, id))


@blueprint.post("/<uuid:id>/pause")
@describe(Description({202: Asked}, (401, 403), body=Nothing, example={}, has_optional_body=True))
async def pause_replay(id: UUID) -> Response:
    """Stop within a second, until it is resumed."""
    return await _asked(lambda replays, by: replays.pause(by, id))


@blueprint.post("/<uuid:id>/resume")
@describe(Description({202: Asked}, (401, 403), body=Nothing, example={}, has_optional_body=True))
async def resume_replay(id: UUID) -> Response:
    """Go on behind the last event that was replayed."""
    return await _asked(lambda replays, by: replays.resume(by, id))


@blueprint.post("/<uuid:id>/cancel")
@describe(Description({202: Asked}, (401, 403), body=Nothing, example={}, has_optional_body=True))
async def cancel_replay(id: UUID) -> Response:
    """End it for good, and throw away what it has made so far."""
    return await _asked(lambda replays, by: replays.cancel(by, id))


@blueprint.post("/<uuid:id>/drop")
@describe(Description({202: Asked}, (401, 403), body=Nothing, example={}, has_optional_body=True))
async def drop_replay(id: UUID) -> Response:
    """Throw away what a completed one has made."""
    return await _asked(lambda replays, by: replays.drop(by, id))


async def _asked(ask: Callable[[Replays, Context], int]) -> Response:
    account = await current_admin()
    await optional_body(Nothing)
    return answer(Asked(await crossing(ask, backend().replays, context(account.id))), 202)
