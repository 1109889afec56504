"""Whether it is alive, and whether it can work."""

import msgspec
from quart import Blueprint, Response

from api.crossing import backend, crossing
from api.messages import answer
from api.openapi import Description, describe

blueprint = Blueprint("health", __name__, url_prefix="/health")


class Liveness(msgspec.Struct, frozen=True):
    is_alive: bool


class Readiness(msgspec.Struct, frozen=True):
    """Whether everything needed is there; by name what is wrong, or null."""

    is_ready: bool
    checks: dict[str, str | None]


@blueprint.get("/live")
@describe(Description({200: Liveness}, needs_store=False))
async def live() -> Response:
    """The process answers."""
    return answer(Liveness(is_alive=True))


@blueprint.get("/ready")
@describe(Description({200: Readiness, 503: Readiness}, needs_store=False))
async def ready() -> Response:
    """The process and everything it needs work."""
    checks = {name: await _problem(name) for name in backend().checks}
    is_ready = not any(checks.values())
    return answer(Readiness(is_ready, checks), 200 if is_ready else 503)


async def _problem(name: str) -> str | None:
    try:
        await crossing(backend().checks[name])
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it is the answer
        return str(error) or type(error).__name__
    return None
