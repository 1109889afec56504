"""The way of each run through its sandbox."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from ops.cli.access import Data, core, load_settings, operator
from ops.cli.output import AsJson, Failed, as_id, print_json, print_line, print_table

if TYPE_CHECKING:
    from typing import TypeVar

    T = TypeVar("T")

app = typer.Typer(no_args_is_help=True)

Id = Annotated[UUID, typer.Argument(parser=as_id, metavar="ID", help="A saga; `sagas list` shows them.")]


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 30,
    open_only: Annotated[bool, typer.Option("--open", help="Only those that hold a place.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """All sagas, newest first."""
    from api.sagas import item  # noqa: PLC0415
    from projections import execution_history, sagas  # noqa: PLC0415

    found = core(load_settings(data=data)).read_models()
    rows = found.find(sagas.page(True if open_only else None, None, None, limit), sagas.SagaRow)
    runs = found.find(execution_history.several([row.execution for row in rows]), execution_history.ExecutionRow)
    statuses = {run.id: run.status for run in runs}
    items = [item(row, statuses[row.execution]) for row in rows if row.execution in statuses]
    if as_json:
        print_json(items)
        return
    cells = [(one.id, one.execution, one.status, one.step, f"{one.begun_at:%F %T}") for one in items]
    print_table(("id", "run", "status", "next step", "begun (UTC)"), cells, "There are no sagas yet.")


@app.command()
def show(saga: Id, data: Data = None, as_json: AsJson = False) -> None:
    """One saga: what comes next, what is due when, and every step that is behind it."""
    container = core(load_settings(data=data))
    found = _told(lambda: container.sagas().view(saga), saga)
    if as_json:
        print_json(found)
        return
    rows = [(name, getattr(found, name)) for name in found.__struct_fields__ if name != "steps"]
    print_table(("", ""), [(name, value) for name, value in rows if value not in {"", None}], "")
    print_table(("position", "at (UTC)", "done"), [(s.position, f"{s.at:%F %T.%f}", s.step) for s in found.steps], "")


@app.command()
def cancel(saga: Id, data: Data = None, as_json: AsJson = False) -> None:
    """Ask its run to end, at whatever step it is."""
    container = core(load_settings(data=data))
    position = _told(lambda: container.sagas().cancel(operator(container), saga), saga)
    print_json({"id": saga, "position": position}) if as_json else print_line("Asked to cancel.")


def _told(ask: "Callable[[], T]", saga: UUID) -> "T":
    """Raises Failed where there is no such saga, or its run has ended."""
    from application.ports.log import StreamNotFound  # noqa: PLC0415
    from domain.execution import ExecutionEnded  # noqa: PLC0415

    try:
        return ask()
    except StreamNotFound as missing:
        raise Failed(str(missing)) from None
    except ExecutionEnded as refused:
        raise Failed(f"Saga {saga} cannot be cancelled: {refused}") from None
