"""Everything the routes use, handed in from outside."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import msgspec
from quart import current_app

from api.ports import Bus, ReadModels
from application.accounts import Accounts
from application.executions import Executions
from application.ports import Clock, EventLog, Ids, Runtime, Seals
from domain.execution import Limits

P = ParamSpec("P")
T = TypeVar("T")


class CatalogueRow(msgspec.Struct, frozen=True):
    """A language version, and why it cannot run here if it cannot."""

    runtime: Runtime
    reason: str | None


class Backend(msgspec.Struct, frozen=True):
    accounts: Accounts
    executions: Executions
    log: EventLog
    seals: Seals
    read_models: ReadModels
    bus: Bus
    clock: Clock
    ids: Ids
    catalogue: Callable[[], tuple[CatalogueRow, ...]]
    defaults: Limits
    ceilings: Limits
    checks: Mapping[str, Callable[[], object]]
    """By the name of what is needed: raises what is wrong with it, in words."""
    page: Path
    """The folder of the built page."""
    is_https: bool
    threads: ThreadPoolExecutor


def backend() -> Backend:
    """The running app's."""
    return cast("Backend", current_app.extensions["runledger"])


async def crossing(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The one way from the API's event loop to the synchronous layers: a thread of its pool."""
    loop = asyncio.get_running_loop()
    run: Any = lambda: call(*args, **kwargs)  # noqa: E731
    return cast("T", await loop.run_in_executor(backend().threads, run))
