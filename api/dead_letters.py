"""Dead letters, for admins: what could not be folded, and what waits behind it."""

from typing import Annotated

import msgspec
from msgspec import Meta
from quart import Blueprint, Response

from api.backend import Backend
from api.crossing import backend, crossing
from api.messages import Nothing, answer, body, optional_body, query
from api.openapi import Description, describe
from api.problems import Problem
from api.projections import Asked
from api.sessions import context, current_admin
from projections.mailbox import Parked, folded_again
from projections.registry import ALL

blueprint = Blueprint("dead letters", __name__, url_prefix="/api/v1/admin/dead-letters")


class LetterList(msgspec.Struct, frozen=True):
    items: list[Parked]


class LetterQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    projection: str | None = None
    """Only those of this one."""


class LetterView(msgspec.Struct, frozen=True):
    """One letter, and what is wrong with its event as this program is now."""

    letter: Parked
    now: str | None
    """What is wrong; null where it could be folded by now."""


class Discard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(min_length=1, max_length=2_000)]
    """Why; it is kept for ever."""


@blueprint.get("")
@describe(Description({200: LetterList}, (401, 403), query=LetterQuery))
async def list_letters() -> Response:
    """All parked events, each stream in order."""
    await current_admin()
    wanted = query(LetterQuery).projection
    if wanted is not None and wanted not in ALL:
        raise Problem(422, f"There is no read model {wanted}; there are {', '.join(sorted(ALL))}.")
    return answer(LetterList(list(await crossing(backend().mailbox.all, wanted))))


@blueprint.get("/<path:id>")
@describe(Description({200: LetterView}, (401, 403, 404)))
async def show_letter(id: str) -> Response:
    """One letter; its event is folded again, which changes nothing, to tell what is wrong with it now."""
    await current_admin()
    letter = await _found(id)
    return answer(LetterView(letter, await crossing(_trouble, backend(), letter)))


@blueprint.post("/<path:id>/retry")
@describe(Description({202: Asked}, (401, 403, 404), body=Nothing, example={}, has_optional_body=True))
async def retry_letter(id: str) -> Response:
    """Fold all parked events of its stream again, in order; what fails again stays parked."""
    account = await current_admin()
    await optional_body(Nothing)
    letter = await _found(id)
    by = context(account.id)
    position = await crossing(backend().dead_letters.retry, by, letter.projection, letter.stream)
    return answer(Asked(position), 202)


@blueprint.post("/<path:id>/discard")
@describe(Description({202: Asked}, (401, 403, 404, 409), body=Discard, example={"reason": "written by mistake"}))
async def discard_letter(id: str) -> Response:
    """Leave the event out of its read model for ever, and go on with those that wait behind it."""
    account = await current_admin()
    wanted = await body(Discard)
    letter = await _found(id)
    if letter.trouble is None:
        raise Problem(409, "It only waits for one before it; discard that one, or retry.")
    by = context(account.id)
    place = letter.projection, letter.stream, letter.position
    return answer(Asked(await crossing(backend().dead_letters.discard, by, *place, wanted.reason)), 202)


async def _found(id: str) -> Parked:
    found = await crossing(backend().mailbox.find, id)
    if found is None:
        raise Problem(404, f"There is no letter {id}.")
    return found


def _trouble(backend: Backend, letter: Parked) -> str | None:
    projection = ALL.get(letter.projection)
    return folded_again(backend.log, projection, letter) if projection else "there is no such projection any more"
