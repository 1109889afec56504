"""The processes: up, api, worker, and the preparation of a new store."""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

from ops.cli import access
from ops.cli.access import Data, load_settings
from ops.cli.names import check_known
from ops.cli.output import Failed, print_line
from ops.settings import Settings
from ops.up.refused import TOLD

MEASURED = {"relay", "deadletters"}
LAST_EXPORT_MS = 1_000
"""A collector that is away must not hold up the end."""


def up(
    data: Data = None,
    port: Annotated[int | None, typer.Option(help="The port on loopback.")] = None,
    http: Annotated[bool | None, typer.Option("--http", help="Plain HTTP, on loopback alone.")] = None,
    split: Annotated[bool, typer.Option("--split", help="A process per worker.")] = False,
) -> None:
    """Start everything on this machine; Ctrl-C stops it."""
    settings = load_settings(data=data, port=port, http=http)
    # The supervisor lives long and needs little: it takes this process over without the command line's memory.
    arguments = [sys.executable, "-P", "-m", "ops.up", *(["--split"] if split else [])]
    os.execve(sys.executable, arguments, {**os.environ, **settings.environment()})  # noqa: S606


def api() -> None:
    """Serve the API and the page."""
    from ops.serving import serve  # noqa: PLC0415

    settings = load_settings()
    _log_to_stderr()
    _trace("api", settings)
    serve(access.with_patience(access.api, settings), settings.port)


def worker(
    names: Annotated[str, typer.Argument(help="One name or more, separated by commas.")],
    only: Annotated[
        str, typer.Option(metavar="NAME[,NAME]", help="Of the worker projections: fold these read models alone.")
    ] = "",
) -> None:
    """Run workers: relay, projections, saga, executor, monitor, results, replay, deadletters."""
    from ops.workers import NAMES, run_workers  # noqa: PLC0415
    from projections.registry import BY_NAME  # noqa: PLC0415

    wanted = names.split(",")
    folded = only.split(",") if only else []
    check_known("worker", wanted, NAMES)
    check_known("read model", folded, BY_NAME)
    if folded and "projections" not in wanted:
        raise Failed("--only is for the worker projections, which is not among these.", code=2)
    settings = load_settings()
    _log_to_stderr()
    with _measured(wanted, settings):
        run_workers(wanted, access.with_patience(access.workers, settings), frozenset(folded))


def init() -> None:
    """Make the store and its first admin where they are missing. Prints the admin's password, once."""
    from application.ports.seals import WrongMasterKey  # noqa: PLC0415
    from ops.store import ADMIN, make_admin, prepare_store  # noqa: PLC0415

    container = access.core(load_settings())
    try:
        container.keyring().names_secret()
    except WrongMasterKey as refused:
        raise Failed(str(refused), TOLD) from refused
    prepare_store(container)
    password = make_admin(container)
    if password:
        print_line(f"The first admin is `{ADMIN}`, the password {password} (shown this once).")
    container.journal().close()


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("hypercorn").setLevel(logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # of a cluster that is away, its adapter tells once


def _trace(service: str, settings: Settings) -> None:
    from adapters.telemetry.tracing import start_tracing  # noqa: PLC0415

    start_tracing(service, settings.otlp_endpoint, settings.data / "traces")


@contextmanager
def _measured(workers: Sequence[str], settings: Settings) -> Iterator[None]:
    """Export metrics, where a worker has any."""
    if not MEASURED & set(workers):
        yield
        return
    from adapters.telemetry.metrics import start_metrics  # noqa: PLC0415

    service = "worker" if len(workers) > 1 else workers[0]
    provider = start_metrics(service, settings.otlp_endpoint, settings.data / "metrics")
    try:
        yield
    finally:
        provider.shutdown(LAST_EXPORT_MS)
