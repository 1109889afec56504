"""Running a script."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import msgspec
import typer

from ops.cli.access import Data, api, load_settings, operator
from ops.cli.limits import Cpus, Disk, Memory, Output, Pids, Timeout, in_options, wishes
from ops.cli.output import NOT_RUN, AsJson, Failed, Unwritten, print_json, print_line, say

if TYPE_CHECKING:
    from application.run_requests import RunRequest
    from ops.containers.api import Api
    from ops.containers.core import Core

LANGUAGES = {".py": "python", ".js": "node", ".rb": "ruby", ".sh": "bash", ".bash": "bash", ".go": "go"}


def run(
    file: Annotated[str, typer.Argument(help="The script, or - for stdin.")],
    language: Annotated[str | None, typer.Option(help="Else by the file's ending.")] = None,
    version: Annotated[
        str | None, typer.Option(help="Of the language, as `runtimes list` has it; else the newest that can run.")
    ] = None,
    stdin: Annotated[
        str | None, typer.Option(help="A file for the script's stdin, or - to pass on this one as it comes.")
    ] = None,
    timeout: Timeout = None,
    cpus: Cpus = None,
    memory: Memory = None,
    pids: Pids = None,
    output: Output = None,
    disk: Disk = None,
    env: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable for the script; any number of times.")
    ] = None,
    network: Annotated[bool, typer.Option("--network", help="Let it reach the hosts of network_hosts.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Print the id and go.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Run a script here, show its output live, and exit with its exit code.

    124 when it ran out of time, 137 when it was killed (out of memory, too much
    output, cancelled elsewhere), 125 when it was not run, 128 + n when signal n
    ended it.

    Ctrl-C, SIGTERM, SIGHUP and a reader of the output who goes away (`| head`)
    cancel the run; the exit code is then 130, 143, 129 or 141; it is 125 where a
    full disk takes no output. A second signal leaves without waiting for the end.
    With --detach the run goes on.

    SIZE is a number of bytes, or such as 64K, 256M and 1G. A limit that is not
    named is the default one; none can be above what the installation allows.
    """
    is_live = stdin == "-" and not detach
    limits = wishes(
        wall_seconds=timeout, cpus=cpus, memory_bytes=memory, pids=pids, output_bytes=output, disk_bytes=disk
    )
    request = msgspec.structs.replace(
        _request(file, language, stdin, env or [], is_live), version=version, limits=limits, network=network
    )
    settings = load_settings(data=data)
    try:
        container = api(settings)
    except Failed as failure:
        raise Failed(str(failure), NOT_RUN) from failure
    try:
        if not detach:
            sys.exit(asyncio.run(_follow(container, request, as_json, is_live)))
        _tell(_accept(container, request), as_json)
    except Unwritten as failure:
        raise Failed(str(failure), NOT_RUN) from failure


def _tell(execution: UUID, as_json: bool) -> None:
    try:
        print_json({"id": execution, "status": "queued"}) if as_json else print_line(execution)
    except (OSError, Unwritten):
        say(f"runledger: run {execution} goes on")
        raise


async def _follow(container: "Api", request: "RunRequest", as_json: bool, is_live: bool) -> int:
    """What is on stdin already goes with the request, if that is all of it and text."""
    from ops.cli.following import follow  # noqa: PLC0415
    from ops.cli.live_input import LiveInput, read_what_is_there  # noqa: PLC0415

    live_input = None
    if is_live:
        there, is_ended = read_what_is_there()
        if is_ended and _is_text(there):
            request = msgspec.structs.replace(request, stdin=there.decode())
        else:
            request = msgspec.structs.replace(request, stdin_open=True)
            live_input = LiveInput(container.backend(), there, is_ended)
    return await follow(container.backend(), lambda: _accept(container, request), as_json, live_input)


def _request(file: str, language: str | None, stdin: str | None, env: Sequence[str], is_live: bool) -> "RunRequest":
    from application.run_requests import RunRequest  # noqa: PLC0415

    if file == "-" and stdin == "-":
        raise Failed("The script and its stdin cannot both come from stdin; name a file for one of them.", code=2)
    if Path(file).is_dir():
        raise Failed(f"{file} is a folder; name the file in it that is to run.", NOT_RUN)
    language = language or LANGUAGES.get(Path(file).suffix)
    if language is None:
        raise Failed(f"The ending of {file} does not tell its language; name it with --language.", code=2)
    return RunRequest(
        language=language,
        script=_text(file),
        stdin=_text(stdin) if stdin and not is_live else None,
        env=dict(map(_variable, env)) or None,
    )


def _variable(text: str) -> tuple[str, str]:
    name, is_given, value = text.partition("=")
    if not is_given or not name:
        what = "name" if is_given else "value"
        raise Failed(f"--env {text} gives no {what}; write it as NAME=VALUE.", code=2)
    return name, value


def _text(file: str) -> str:
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return content.decode()
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}.", NOT_RUN) from error
    except UnicodeDecodeError:
        raise Failed(f"{file} is not UTF-8 text.", NOT_RUN) from None


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _accept(container: "Core", request: "RunRequest") -> UUID:
    from application.ports.log import LogUnavailable  # noqa: PLC0415
    from application.run_requests import InvalidRequest  # noqa: PLC0415
    from domain.aggregate import DomainError  # noqa: PLC0415
    from ops.store import ADMIN  # noqa: PLC0415

    owner = container.accounts().find(ADMIN)
    if owner is None:
        raise Failed("There is no admin account yet; start Runledger once with `runledger up`.", NOT_RUN)
    try:
        return container.executions().request(operator(container), owner.id, request).execution_id
    except InvalidRequest as wrong:
        raise Failed(f"Not run: {in_options(str(wrong))}.", code=2) from wrong
    except (DomainError, LogUnavailable) as refused:
        raise Failed(f"Not run: {in_options(str(refused))}", NOT_RUN) from refused
