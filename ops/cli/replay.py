"""Replays: events once more, into a place where they cannot cause anything."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import msgspec
import typer

from ops.cli.access import Data, command, core, load_settings
from ops.cli.moments import as_time
from ops.cli.names import check_known
from ops.cli.output import AsJson, Failed, as_id, counted, print_json, print_line, print_table, progress
from ops.cli.work import patience

if TYPE_CHECKING:
    from typing import TypeVar

    from application.ports.log import Context
    from application.replays import Preview, Replays, ReplayView, Wanted
    from domain.replay import Target
    from ops.containers.core import Core

    T = TypeVar("T")

app = typer.Typer(no_args_is_help=True)

LOOK_EVERY_SECONDS = 0.2
INTO = "file[:NAME]|topic[:NAME]|projection:NAME"

Id = Annotated[UUID, typer.Argument(parser=as_id, metavar="ID", help="A replay; `replay list` shows them.")]


@app.command()
def start(
    replay: Annotated[
        UUID | None,
        typer.Argument(parser=as_id, metavar="[ID]", help="One that was prepared over HTTP."),
    ] = None,
    into: Annotated[str | None, typer.Option(metavar=INTO, help="Where the events go; see docs/how-to.")] = None,
    first: Annotated[int | None, typer.Option("--from", min=1, metavar="N", help="Only from this position on.")] = None,
    last: Annotated[int | None, typer.Option("--upto", min=1, metavar="N", help="Only up to this position.")] = None,
    since: Annotated[
        datetime | None, typer.Option(parser=as_time, metavar="TIME", help="Only from this time on (UTC).")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(parser=as_time, metavar="TIME", help="Only before this time (UTC).")
    ] = None,
    type: Annotated[list[str] | None, typer.Option(help="Only of this type; may be repeated.")] = None,
    stream: Annotated[
        list[UUID] | None, typer.Option(parser=as_id, metavar="ID", help="Only of this stream; may be repeated.")
    ] = None,
    user: Annotated[
        list[UUID] | None, typer.Option(parser=as_id, metavar="ID", help="Only what this user did; may be repeated.")
    ] = None,
    speed: Annotated[float, typer.Option(help="Events a second; 0 for as fast as it goes.")] = 0.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count and show the first ones; change nothing.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for the end.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Replay what is selected, all of the log if nothing is said; with --dry-run first, see what it comes to."""
    from application.replays import Wanted  # noqa: PLC0415
    from domain.events import EVENTS  # noqa: PLC0415

    check_known("event type", type or (), EVENTS)
    wanted = Wanted(first, last, since, until, tuple(type or ()), tuple(stream or ()), tuple(user or ()))
    if replay and (into or dry_run or speed or wanted != Wanted()):
        raise Failed("What was prepared has its target, selection and speed; leave out the options.", code=2)
    if not replay and not into and not dry_run:
        raise Failed(f"Say where the events go: --into {INTO}.", code=2)
    target = _target(into) if into else None
    container = core(load_settings(data=data))
    replays = container.replays()
    if dry_run:
        _print_preview(_preview(container, wanted, target, speed), as_json)
        return
    if target:
        replay, _ = command(container, lambda context: replays.prepare(context, wanted, target, speed, is_started=True))
    elif replay:
        _asked(container, replay, replays.start)
    if replay:
        _print_view(replays.view(replay) if detach else _until_ended(replays, replay), as_json)


@app.command("list")
def list_(data: Data = None, as_json: AsJson = False) -> None:
    """All replays, newest first."""
    from projections.replays import ReplayRow, newest, with_progress  # noqa: PLC0415

    container = core(load_settings(data=data))
    rows = container.read_models().find(newest(), ReplayRow)
    found = with_progress(rows, container.replays().marks([row.id for row in rows]))
    if as_json:
        print_json(found)
        return
    cells = [
        (r.id, r.status, f"{r.events:,} of {r.total:,}", r.target, r.name, f"{r.prepared_at:%F %T}") for r in found
    ]
    print_table(("id", "status", "events", "into", "name", "prepared (UTC)"), cells, "There are no replays.")


@app.command()
def show(replay: Id, data: Data = None, as_json: AsJson = False) -> None:
    """One replay: what was asked for, how far it is, how it ended."""
    container = core(load_settings(data=data))
    found = _told(lambda: container.replays().view(replay), replay)
    if as_json:
        print_json(found)
        return
    rows = [(name, _in_words(getattr(found, name))) for name in found.__struct_fields__]
    print_table(("", ""), [(name, value) for name, value in rows if value != ""], "")


def _in_words(value: object) -> object:
    return msgspec.json.encode(value).decode() if isinstance(value, msgspec.Struct) else value


@app.command()
def pause(replay: Id, data: Data = None, as_json: AsJson = False) -> None:
    """Stop within a second, until it is resumed."""
    container = core(load_settings(data=data))
    _print_position(_asked(container, replay, container.replays().pause), as_json)


@app.command()
def resume(replay: Id, data: Data = None, as_json: AsJson = False) -> None:
    """Go on behind the last event that was replayed."""
    container = core(load_settings(data=data))
    _print_position(_asked(container, replay, container.replays().resume), as_json)


@app.command()
def cancel(replay: Id, data: Data = None, as_json: AsJson = False) -> None:
    """End it for good, and throw away what it has made so far."""
    container = core(load_settings(data=data))
    _print_position(_asked(container, replay, container.replays().cancel), as_json)


@app.command()
def drop(replay: Id, data: Data = None, as_json: AsJson = False) -> None:
    """Throw away what a completed one has made."""
    container = core(load_settings(data=data))
    _print_position(_asked(container, replay, container.replays().drop), as_json)


def _print_position(position: int, as_json: bool) -> None:
    print_json({"position": position}) if as_json else print_line(f"Asked for, at position {position}.")


def _asked(container: "Core", replay: UUID, ask: "Callable[[Context, UUID], int]") -> int:
    return _told(lambda: command(container, lambda context: ask(context, replay)), replay)


def _told(act: "Callable[[], T]", replay: UUID) -> "T":
    from application.ports.log import StreamNotFound  # noqa: PLC0415

    try:
        return act()
    except StreamNotFound:
        raise Failed(f"There is no replay {replay}; `runledger replay list` shows them.") from None


def _target(into: str) -> "Target":
    from domain.replay import Kind, Target  # noqa: PLC0415

    kind, _, name = into.partition(":")
    if kind not in set(Kind):
        raise Failed(f"{into!r} says not where the events go; write --into {INTO}.", code=2)
    return Target(Kind(kind), name)


# What it comes to ---------------------------------------------------------------------------------------------


def _preview(container: "Core", wanted: "Wanted", target: "Target | None", speed: float) -> "Preview":
    def look(_: "Context") -> "Preview":
        if target:
            container.replays().check(target, speed)
        return container.replays().preview(wanted)

    return command(container, look)


def _print_preview(preview: "Preview", as_json: bool) -> None:
    from ops.cli.entries import as_line  # noqa: PLC0415

    if as_json:
        print_json(preview)
        return
    print_table(("event", "number"), [(name, f"{number:,}") for name, number in preview.by_type.items()], "")
    print_line("\nThe first of them:")
    for entry in preview.samples:
        print_line(as_line(entry))
    print_line(
        f"\n{preview.events:,} events of positions {preview.selection.first} to {preview.selection.last} would be "
        "replayed; nothing was changed."
    )


# How far it is ------------------------------------------------------------------------------------------------


def _until_ended(replays: "Replays", replay: UUID) -> "ReplayView":
    """Until it has ended, or was paused by somebody else."""
    from domain.replay import ReplayStatus  # noqa: PLC0415

    with progress("events") as tell:
        nobody_begins = patience()
        while (found := replays.view(replay)).status is ReplayStatus.RUNNING:
            tell(found.events, found.total)
            if not found.position:
                nobody_begins()
            time.sleep(LOOK_EVERY_SECONDS)
    return found


def _print_view(found: "ReplayView", as_json: bool) -> None:
    from domain.replay import ReplayStatus  # noqa: PLC0415

    if as_json:
        print_json(found)
    elif found.status is ReplayStatus.COMPLETED:
        print_line(f"{counted(found.events, 'event')} in {found.made}.")
    else:
        print_line(f"Replay {found.id} is {found.status}: {found.events:,} of {found.total:,} events.")
    if found.status.leaves_nothing:
        raise Failed(f"{found.reason} Nothing of this replay is left.".strip())
