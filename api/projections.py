"""Read models, for admins: how they are, and what to do with them."""

from collections.abc import Callable

import msgspec
from quart import Blueprint, Response

from api.backend import Backend
from api.crossing import backend, crossing
from api.messages import Nothing, answer, optional_body
from api.openapi import Description, describe
from api.sessions import context, current_admin
from application.ports.log import Context, StreamNotFound
from application.read_models import ReadModels
from domain.read_model import ReadModel, Verification, Work, read_model_of
from projections.overview import Overview
from projections.registry import SHOWN

blueprint = Blueprint("projections", __name__, url_prefix="/api/v1/admin/projections")


class ReadModelView(msgspec.Struct, frozen=True):
    """One read model; tasks of workers are read models as well, which nobody can rebuild."""

    overview: Overview
    is_under_way: bool
    """It is being rebuilt or rolled back."""
    last_work: Work | None
    last_verification: Verification | None


class ReadModelList(msgspec.Struct, frozen=True):
    items: list[ReadModelView]


class Thoroughness(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    is_full: bool = False
    """Compare every document with the log, not a sample."""


class Asked(msgspec.Struct, frozen=True):
    """It is in the log; a worker does it."""

    position: int


@blueprint.get("")
@describe(Description({200: ReadModelList}, (401, 403)))
async def list_projections() -> Response:
    """Every read model: what is live, how far it is behind, what waits, and what was done last."""
    await current_admin()
    return answer(ReadModelList(await crossing(_views, backend())))


@blueprint.post("/<name>/rebuild")
@describe(Description({202: Asked}, (401, 403, 404, 409), body=Thoroughness, example={}, has_optional_body=True))
async def rebuild(name: str) -> Response:
    """Fold it anew from the log beside the live one, compare it with the log, then swap."""
    account = await current_admin()
    wanted = await optional_body(Thoroughness)
    return await _asked(lambda models, by: models.rebuild(by, name, is_full=wanted.is_full), context(account.id))


@blueprint.post("/<name>/verify")
@describe(Description({202: Asked}, (401, 403, 404), body=Thoroughness, example={}, has_optional_body=True))
async def verify(name: str) -> Response:
    """Compare what is stored with a fold of the log, down to the byte."""
    account = await current_admin()
    wanted = await optional_body(Thoroughness)
    return await _asked(lambda models, by: models.verify(by, name, is_full=wanted.is_full), context(account.id))


@blueprint.post("/<name>/rollback")
@describe(Description({202: Asked}, (401, 403, 404, 409), body=Nothing, example={}, has_optional_body=True))
async def rollback(name: str) -> Response:
    """Ask the generation before again, once it has caught up."""
    account = await current_admin()
    await optional_body(Nothing)
    return await _asked(lambda models, by: models.roll_back(by, name), context(account.id))


@blueprint.post("/<name>/pause")
@describe(Description({202: Asked}, (401, 403, 404), body=Nothing, example={}, has_optional_body=True))
async def pause(name: str) -> Response:
    """Fold nothing into it until it is resumed; it is asked as before."""
    account = await current_admin()
    await optional_body(Nothing)
    return await _asked(lambda models, by: models.pause(by, name), context(account.id))


@blueprint.post("/<name>/resume")
@describe(Description({202: Asked}, (401, 403, 404), body=Nothing, example={}, has_optional_body=True))
async def resume(name: str) -> Response:
    """Go on folding."""
    account = await current_admin()
    await optional_body(Nothing)
    return await _asked(lambda models, by: models.resume(by, name), context(account.id))


async def _asked(ask: Callable[[ReadModels, Context], int], by: Context) -> Response:
    return answer(Asked(await crossing(ask, backend().steering, by)), 202)


def _views(backend: Backend) -> list[ReadModelView]:
    return [_view(backend, one) for one in backend.lookout.overview(SHOWN)]


def _view(backend: Backend, overview: Overview) -> ReadModelView:
    try:
        model = backend.log.load(ReadModel, read_model_of(overview.name))
    except StreamNotFound:
        return ReadModelView(overview, False, None, None)
    return ReadModelView(overview, model.is_under_way, model.last_work, model.last_verification)
