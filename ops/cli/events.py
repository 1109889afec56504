"""Reading the event log."""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from ops.cli.access import Data, core, load_settings
from ops.cli.output import AsJson, print_json, print_line, print_table

if TYPE_CHECKING:
    from application.ports import EventLog, Recorded

app = typer.Typer(no_args_is_help=True)

BATCH = 500
LOOK_EVERY_SECONDS = 0.2


@app.command("list")
def list_(
    after: Annotated[int, typer.Option(min=0, help="Only events after this position.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Events in the order of the log."""
    events = core(load_settings(data=data)).log().read(after, limit)
    if as_json:
        print_json([_fields(event) for event in events])
        return
    rows = [(e.position, e.lane, e.type, e.stream, e.version, e.actor, f"{e.at:%F %T}") for e in events]
    print_table(("position", "lane", "type", "stream", "version", "actor", "at (UTC)"), rows, "There are no events.")


@app.command()
def tail(
    after: Annotated[int | None, typer.Option(min=0, help="Begin after this position [default: the end].")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Events as they come, a line each, until Ctrl-C."""
    log = core(load_settings(data=data)).log()
    for event in _follow(log, log.head() if after is None else after):
        print_line(msgspec.json.encode(_fields(event)).decode() if as_json else _line(event))


def _follow(log: "EventLog", after: int) -> "Iterator[Recorded]":
    while True:
        events: Sequence[Recorded] = log.read(after, BATCH)
        yield from events
        if events:
            after = events[-1].position
        else:
            time.sleep(LOOK_EVERY_SECONDS)


def _line(event: "Recorded") -> str:
    return f"{event.position:>8}  {event.at:%T.%f}  {event.type:<28} {event.stream}  v{event.version}  {event.actor}"


def _fields(event: "Recorded") -> dict[str, Any]:
    """An event as programs get it; private content stays sealed."""
    own = {name: value for name, value in vars(event.data).items() if name not in _OF_THE_LIBRARY}
    fields = {name: getattr(event, name) for name in event.__struct_fields__ if name != "data"}
    return {**fields, "data": own}


_OF_THE_LIBRARY = {"originator_id", "originator_version", "originator_topic", "timestamp"}
