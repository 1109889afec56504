"""How a command reaches the running system: its addresses from the data folder, its parts from the container."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from ops.cli.output import Failed
from ops.settings import Settings, SettingsInvalid, load
from ops.up.folder import kafka_servers, running

if TYPE_CHECKING:
    from ops.containers.api import Api
    from ops.containers.core import Core
    from ops.containers.workers import Workers

Data = Annotated[Path | None, typer.Option("--data", help="The data folder [default: RUNLEDGER_DATA]")]


def load_settings(**command_line: Any) -> Settings:
    """Raises Failed with exit code 2."""
    try:
        return load(**command_line)
    except SettingsInvalid as error:
        raise Failed(str(error), code=2) from error


def core(settings: Settings) -> "Core":
    """The store of the running system. Raises Failed when none runs."""
    from ops.containers.core import Core  # noqa: PLC0415

    return Core(settings=_with_addresses(settings))


def api(settings: Settings) -> "Api":
    """What can follow runs as well."""
    from ops.containers.api import Api  # noqa: PLC0415

    return Api(settings=_with_addresses(settings))


def workers(settings: Settings) -> "Workers":
    """What can work."""
    from ops.containers.workers import Workers  # noqa: PLC0415

    return Workers(settings=_with_addresses(settings), kafka_servers=_kafka(settings))


def _with_addresses(settings: Settings) -> Settings:
    if settings.mongo_url and settings.redis_url:
        return settings
    found = running(settings.data)
    if found is None:
        raise Failed(
            f"No Runledger runs on {settings.data}. Start it with `runledger up`, or name another with --data."
        )
    return msgspec.structs.replace(settings, mongo_url=found.mongo_url, redis_url=found.redis_url)


def _kafka(settings: Settings) -> Callable[[], str]:
    """The embedded broker has another address after each start, so it is asked for again and again."""
    if settings.kafka_servers:
        return lambda: settings.kafka_servers
    return functools.partial(kafka_servers, settings.data)
