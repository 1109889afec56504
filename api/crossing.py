"""The running app's backend, for its routes."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from quart import current_app

from api.backend import Backend

P = ParamSpec("P")
T = TypeVar("T")


def backend() -> Backend:
    """The running app's."""
    return cast("Backend", current_app.extensions["runledger"])


async def crossing(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Cross with the running app's backend."""
    return await backend().cross(call, *args, **kwargs)
