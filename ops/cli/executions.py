"""Running scripts and looking at runs."""

import asyncio
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import msgspec
import typer

from ops.cli.access import Data, api, command, core, load_settings, operator
from ops.cli.moments import At, Time, moment
from ops.cli.output import NOT_RUN, AsJson, Failed, print_json, print_line, print_table, printing, say

if TYPE_CHECKING:
    from api.backend import Backend
    from application.executions import RunRequest
    from application.ports import Recorded
    from ops.containers.api import Api
    from ops.containers.core import Core

app = typer.Typer(no_args_is_help=True)

LANGUAGES = {".py": "python", ".js": "node", ".rb": "ruby", ".sh": "bash", ".bash": "bash", ".go": "go"}


class Stream(StrEnum):
    STDOUT = "stdout"
    STDERR = "stderr"


Execution = Annotated[str, typer.Argument(help="The run's id.")]


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 30,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """All runs, newest first."""
    from api.views import row_view  # noqa: PLC0415
    from projections import execution_history  # noqa: PLC0415

    container = core(load_settings(data=data))
    query = execution_history.page(None, None, limit)
    runs = [row_view(row) for row in container.read_models().find(query, execution_history.ExecutionRow)]
    if as_json:
        print_json(runs)
        return
    rows = [
        (run.id, run.status, f"{run.language} {run.version}", f"{run.requested_at:%F %T}", run.reason) for run in runs
    ]
    print_table(("id", "status", "language", "requested (UTC)", "reason"), rows, "There are no runs yet.")


@app.command()
def show(
    execution: Execution,
    output: Annotated[
        Stream | None, typer.Option(help="Print what it wrote there, to the byte, and nothing else.")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """One run: where it stands, its limits and what happened; or its output."""
    if output and as_json:
        raise Failed("--output prints bytes as they are; leave one of --output and --json away.", code=2)
    container = api(load_settings(data=data))
    events = container.log().history(_id(execution))
    if not events or not events[0].type.startswith("Execution."):
        raise Failed(f"There is no run {execution}.")
    _print_output(container, events, output) if output else _print_run(container, events, as_json)


def _print_output(container: "Api", events: "Sequence[Recorded]", stream: Stream) -> None:
    from api.executions import STREAMS, output_of  # noqa: PLC0415
    from domain.execution import Execution  # noqa: PLC0415

    finished = events[-1].data
    if not isinstance(finished, Execution.Finished):
        raise Failed(f"Run {events[0].stream} has not ended yet; its output can be shown when it has.")
    content = output_of(finished, container.seals(), STREAMS[stream])
    with printing():
        sys.stdout.buffer.write(content)


def _print_run(container: "Api", events: "Sequence[Recorded]", as_json: bool, upto: int | None = None) -> None:
    from projections.execution_status import timeline_entry  # noqa: PLC0415

    fields = asyncio.run(_fields(container.backend(), events[-1], upto))
    entries = [timeline_entry(event) for event in events]
    if as_json:
        print_json({**fields, "events": entries})
        return
    limits = {f"limit: {name}": value for name, value in msgspec.structs.asdict(fields.pop("limits")).items()}
    print_table(("", ""), list({**fields, **limits}.items()), "")
    print_table(("position", "at (UTC)", "what"), [(e.position, f"{e.at:%F %T.%f}", e.words) for e in entries], "")


@app.command()
def at(
    execution: Execution,
    position: At = None,
    time: Time = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """One run as it was at a position of the log or at a time."""
    id = _id(execution)
    if position is None and time is None:
        raise Failed("Name the moment with --position or --time.", code=2)
    container = api(load_settings(data=data))
    upto = moment(container, position, time)
    events = [event for event in container.log().history(id) if event.position <= (upto or 0)]
    if not events or not events[0].type.startswith("Execution."):
        raise Failed(f"There was no run {execution} at position {upto}.")
    _print_run(container, events, as_json, upto)


@app.command()
def cancel(execution: Execution, data: Data = None, as_json: AsJson = False) -> None:
    """Ask a run to end."""
    from application.ports import StreamNotFound  # noqa: PLC0415
    from domain.execution import ExecutionEnded  # noqa: PLC0415

    container = core(load_settings(data=data))
    try:
        position = container.executions().cancel(operator(container), _id(execution))
    except StreamNotFound:
        raise Failed(f"There is no run {execution}.") from None
    except ExecutionEnded as refused:
        raise Failed(f"Run {execution} cannot be cancelled: {refused}") from None
    print_json({"id": execution, "position": position}) if as_json else print_line("Asked to cancel.")


@app.command()
def retry(execution: Execution, data: Data = None, as_json: AsJson = False) -> None:
    """Run again what an ended run has run; prints the new run's id."""
    from application.ports import StreamNotFound  # noqa: PLC0415

    container = core(load_settings(data=data))
    try:
        accepted = command(container, lambda context: container.executions().retry(context, _id(execution)))
    except StreamNotFound:
        raise Failed(f"There is no run {execution}.") from None
    new = {"id": accepted.execution_id, "position": accepted.position}
    print_json(new) if as_json else print_line(accepted.execution_id)


def run(
    file: Annotated[str, typer.Argument(help="The script, or - for stdin.")],
    language: Annotated[str | None, typer.Option(help="Else by the file's ending.")] = None,
    stdin: Annotated[str | None, typer.Option(help="A file for the script's stdin, or -.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Wall time in seconds.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Print the id and go.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Run a script here and show its output live; exits with the script's code.

    124 when it ran out of time, 137 when it was killed (out of memory, too much
    output, cancelled elsewhere), 125 when it was not run, 128 + n when signal n
    ended it.

    Ctrl-C, SIGTERM, SIGHUP and a reader of the output who goes away (`| head`)
    cancel the run; the exit code is then 130, 143, 129 or 141. A second signal
    leaves without waiting for the end. With --detach the run goes on.
    """
    from ops.cli.following import follow  # noqa: PLC0415

    request = _request(file, language, stdin, timeout)
    settings = load_settings(data=data)
    try:
        container = api(settings)
    except Failed as failure:
        raise Failed(str(failure), NOT_RUN) from failure
    if not detach:
        sys.exit(asyncio.run(follow(container.backend(), lambda: _accept(container, request), as_json)))
    execution = _accept(container, request)
    try:
        print_json({"id": execution, "status": "queued"}) if as_json else print_line(execution)
    except OSError:
        say(f"runledger: run {execution} goes on")
        raise


def _request(file: str, language: str | None, stdin: str | None, timeout: float | None) -> "RunRequest":
    from application.executions import LimitWishes, RunRequest  # noqa: PLC0415

    if file == "-" and stdin == "-":
        raise Failed("The script and its stdin cannot both come from stdin; name a file for one of them.", code=2)
    language = language or LANGUAGES.get(Path(file).suffix)
    if language is None:
        raise Failed(f"The ending of {file} does not tell its language; name it with --language.", code=2)
    return RunRequest(
        language=language,
        script=_text(file),
        stdin=_text(stdin) if stdin else None,
        limits=LimitWishes(wall_seconds=timeout) if timeout is not None else None,
    )


def _text(file: str) -> str:
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return content.decode()
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}.", NOT_RUN) from error
    except UnicodeDecodeError:
        raise Failed(f"{file} is not UTF-8 text.", NOT_RUN) from None


def _accept(container: "Core", request: "RunRequest") -> UUID:
    from application.ports import LogUnavailable  # noqa: PLC0415
    from domain.aggregate import DomainError  # noqa: PLC0415
    from ops.store import ADMIN  # noqa: PLC0415

    owner = container.accounts().find(ADMIN)
    if owner is None:
        raise Failed("There is no admin account yet; start Runledger once with `runledger up`.", NOT_RUN)
    try:
        return container.executions().request(operator(container), owner.id, request).execution_id
    except (DomainError, LogUnavailable) as refused:
        raise Failed(f"Not run: {refused}", NOT_RUN) from refused


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Failed(f"{text} is no run's id; `runledger executions list` shows them.", code=2) from None


async def _fields(backend: "Backend", last: "Recorded", upto: int | None) -> dict[str, Any]:
    """A run as the API shows it, with its limits: as its last event has left it, or as it was."""
    from api.runs import of_log, past_of  # noqa: PLC0415
    from api.views import status_view  # noqa: PLC0415

    run = await (of_log(backend, last.stream, last.position) if upto is None else past_of(backend, last.stream, upto))
    return {**msgspec.structs.asdict(status_view(run)), "retry_of": run.retry_of, "limits": run.limits}
