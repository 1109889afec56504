"""Dead letters: events that a projection could not fold, and those of the same stream that wait behind them."""

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ops.cli.access import Data, command, core, load_settings
from ops.cli.names import check_known
from ops.cli.output import AsJson, Failed, counted, print_json, print_line, print_table

if TYPE_CHECKING:
    from ops.containers.core import Core
    from projections.mailbox import Parked

app = typer.Typer(no_args_is_help=True)

Letter = Annotated[str, typer.Argument(help="A letter's id; `dlq list` shows them.")]


@app.command("list")
def list_(
    projection: Annotated[str | None, typer.Option(help="Only those of this projection.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """All parked events, each stream in order."""
    from projections.registry import ALL  # noqa: PLC0415

    check_known("projection", [projection] if projection else [], ALL)
    found = core(load_settings(data=data)).mailbox().all(projection)
    if as_json:
        print_json(found)
        return
    rows = [(one.id, one.type, one.stream, f"{one.parked_at:%F %T}", _why(one)) for one in found]
    print_table(("id", "event", "stream", "parked (UTC)", "why"), rows, "Nothing is parked.")


def _why(letter: "Parked") -> str:
    return letter.trouble.error if letter.trouble else "waits for one before it"


@app.command()
def show(letter: Letter, data: Data = None, as_json: AsJson = False) -> None:
    """One letter, and what is wrong with its event as this program is now."""
    from projections.mailbox import folded_again  # noqa: PLC0415
    from projections.registry import ALL  # noqa: PLC0415

    container = core(load_settings(data=data))
    found = _found(container, letter)
    projection = ALL.get(found.projection)
    now = folded_again(container.log(), projection, found) if projection else "there is no such projection any more"
    if as_json:
        print_json({**msgspec.to_builtins(found), "now": now})
        return
    print_table(("", ""), [(name, getattr(found, name)) for name in found.__struct_fields__ if name != "trouble"], "")
    if found.trouble:
        print_line(f"\n{found.trouble.error}, raised at\n" + "\n".join(f"    {line}" for line in found.trouble.lines))
    print_line(f"\nFolded again now: {now or 'it could be folded; `dlq retry` does it'}.")


@app.command()
def retry(
    letter: Annotated[str | None, typer.Argument(help="A letter's id: its whole stream is folded again.")] = None,
    all: Annotated[bool, typer.Option("--all", help="Everything that is parked.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Fold what is parked again, each stream in order; what fails again stays parked."""
    if (letter is None) is not all:
        raise Failed("Name a letter, or say --all.", code=2)
    container = core(load_settings(data=data))
    found = [_found(container, letter)] if letter else container.mailbox().all()
    streams = dict.fromkeys((one.projection, one.stream) for one in found)
    positions = [
        command(container, lambda context: container.dead_letters().retry(context, projection, stream))  # noqa: B023
        for projection, stream in streams
    ]
    if as_json:
        print_json({"streams": len(positions), "position": max(positions, default=0)})
    else:
        print_line(f"Folded again: {counted(len(positions), 'stream')}; `dlq list` shows what still fails.")


@app.command()
def discard(
    letter: Letter,
    reason: Annotated[str, typer.Option(help="Why; it is kept for ever.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Leave one event out of its read model for ever, and go on with those that wait behind it."""
    container = core(load_settings(data=data))
    found = _found(container, letter)
    if found.trouble is None:
        raise Failed(f"{letter} only waits for one before it; discard that one, or retry.")
    position = command(
        container,
        lambda context: container.dead_letters().discard(
            context, found.projection, found.stream, found.position, reason
        ),
    )
    print_json({"position": position}) if as_json else print_line(f"{letter} is left out for ever.")


def _found(container: "Core", letter: str) -> "Parked":
    found = container.mailbox().find(letter)
    if found is None:
        raise Failed(f"There is no letter {letter!r}; `runledger dlq list` shows them.")
    return found
