"""Looking at runs, cancelling and repeating them."""

import asyncio
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import msgspec
import typer

from ops.cli.access import Data, api, command, core, load_settings, operator
from ops.cli.moments import At, Time, moment
from ops.cli.output import AsJson, Failed, print_json, print_line, print_table, printing

if TYPE_CHECKING:
    from api.backend import Backend
    from application.ports.log import Recorded
    from ops.containers.api import Api

app = typer.Typer(no_args_is_help=True)


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
    from api.executions import output_of  # noqa: PLC0415
    from application.frames import STREAMS  # noqa: PLC0415
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
    from application.ports.log import StreamNotFound  # noqa: PLC0415
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
    from application.ports.log import StreamNotFound  # noqa: PLC0415

    container = core(load_settings(data=data))
    try:
        accepted = command(container, lambda context: container.executions().retry(context, _id(execution)))
    except StreamNotFound:
        raise Failed(f"There is no run {execution}.") from None
    new = {"id": accepted.execution_id, "position": accepted.position}
    print_json(new) if as_json else print_line(accepted.execution_id)


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
    return {
        **msgspec.structs.asdict(status_view(run)),
        "retry_of": run.retry_of,
        "network": run.network,
        "limits": run.limits,
    }
