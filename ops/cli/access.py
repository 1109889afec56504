"""How a command reaches the running system: its addresses from the data folder, its parts from the container."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import uuid4

import msgspec
import typer

from ops.cli.output import Failed
from ops.loading import load
from ops.settings import Settings, SettingsInvalid, hidden
from ops.up.folder import running

if TYPE_CHECKING:
    from application.ports.log import Context
    from ops.containers.api import Api
    from ops.containers.core import Core
    from ops.containers.workers import Workers

    C = TypeVar("C", bound=Core)
    T = TypeVar("T")

log = logging.getLogger(__name__)


def as_folder(text: str) -> Path:
    """A folder on the command line; Path("") would be the present one."""
    if not text:
        raise typer.BadParameter("it is empty; name a folder.")
    return Path(text)


Data = Annotated[
    Path | None,
    typer.Option("--data", parser=as_folder, metavar="FOLDER", help="The data folder (default: RUNLEDGER_DATA)."),
]

TRY_AGAIN_SECONDS = 2.0


class StoreUnreachable(Failed):
    """The event store does not answer."""


def load_settings(**command_line: Any) -> Settings:
    """Raises Failed with exit code 2."""
    try:
        return load(**command_line)
    except SettingsInvalid as error:
        raise Failed(str(error), code=2) from error


def core(settings: Settings) -> "Core":
    """The store of the running system. Raises Failed when none runs or it does not answer."""
    from ops.containers.core import Core  # noqa: PLC0415

    return _answering(Core(settings=with_addresses(settings)))


def api(settings: Settings) -> "Api":
    """What can follow runs as well."""
    from ops.containers.api import Api  # noqa: PLC0415

    return _answering(Api(settings=with_addresses(settings)))


def workers(settings: Settings) -> "Workers":
    """What can work."""
    from ops.containers.workers import Workers  # noqa: PLC0415

    return _answering(Workers(settings=with_addresses(settings)))


def command(container: "Core", ask: "Callable[[Context], T]") -> "T":
    """What the operator's command returns. Raises Failed where it is refused: with 2 what never could be done."""
    from application.outlets import TargetMisnamed  # noqa: PLC0415
    from application.read_models import UnknownReadModel  # noqa: PLC0415
    from application.replays import SpeedRefused  # noqa: PLC0415
    from domain.aggregate import DomainError  # noqa: PLC0415

    try:
        return ask(operator(container))
    except (SpeedRefused, TargetMisnamed, UnknownReadModel) as wrong:
        raise Failed(str(wrong), code=2) from wrong
    except DomainError as refused:
        raise Failed(str(refused)) from refused


def with_patience(open: "Callable[[Settings], C]", settings: Settings) -> "C":
    """For a service: waits until the store answers. Raises WrongMasterKey or SettingsInvalid at once."""
    while True:
        try:
            container = open(settings)
            container.keyring().names_secret()
        except StoreUnreachable as error:
            log.warning("%s It is tried again every %d s.", error, TRY_AGAIN_SECONDS)
            time.sleep(TRY_AGAIN_SECONDS)
        else:
            return container


def _answering(container: "C") -> "C":
    from adapters.mongo.connection import reachable  # noqa: PLC0415
    from application.ports.log import LogUnavailable  # noqa: PLC0415

    try:
        with reachable():
            container.mongo().admin.command("ping")
    except LogUnavailable as error:
        raise StoreUnreachable(_unreachable(container.settings(), error)) from error
    return container


def _unreachable(settings: Settings, error: Exception) -> str:
    where = hidden("mongo_url", settings.mongo_url)
    return f"The event store at {where} cannot be reached: {error}. Start it, or correct RUNLEDGER_MONGO_URL."


def with_addresses(settings: Settings) -> Settings:
    """Where the running system is. Raises Failed when none runs."""
    if settings.mongo_url and settings.redis_url:
        return settings
    found = running(settings.data)
    if found is None:
        raise Failed(
            f"No Runledger runs on {settings.data}. Start it with `runledger up`, or name another with --data."
        )
    return msgspec.structs.replace(settings, mongo_url=found.mongo_url, redis_url=found.redis_url)


def operator(container: "Core") -> "Context":
    """Whoever may use the machine's own command line, now."""
    from application.ports.log import Context  # noqa: PLC0415

    return Context("operator", container.clock().now(), uuid4())
