"""Reading the event log."""

import time
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from ops.cli import entries, export, mirror
from ops.cli.access import Data, core, load_settings
from ops.cli.moments import as_time, check_order, existing
from ops.cli.names import check_known
from ops.cli.output import AsJson, Failed, as_id, counted, print_json, print_line, print_table, progress

if TYPE_CHECKING:
    from application.ledger import Entry, Ledger

app = typer.Typer(no_args_is_help=True)
app.command("export")(export.export)
app.command("mirror")(mirror.mirror)

LOOK_EVERY_SECONDS = 0.2
DIGITS = 19
"""No position has more."""


Stream = Annotated[UUID | None, typer.Option(parser=as_id, metavar="ID", help="Only this stream's.")]
Type = Annotated[str | None, typer.Option("--type", help="Only of this type, as Execution.Started.")]
Since = Annotated[datetime | None, typer.Option(parser=as_time, metavar="TIME", help="Only from this time on (UTC).")]
Until = Annotated[datetime | None, typer.Option(parser=as_time, metavar="TIME", help="Only before this time (UTC).")]


@app.command("list")
def list_(
    after: Annotated[int, typer.Option(min=0, help="Only events after this position.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    stream: Stream = None,
    type: Type = None,
    since: Since = None,
    until: Until = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Events in the order of the log."""
    from application.ledger import Selection  # noqa: PLC0415
    from domain.events import EVENTS  # noqa: PLC0415

    check_order(since, until)
    wanted, ledger = Selection(stream=stream, type=type, since=since, until=until), _ledger(data)
    existing(ledger, after)
    with progress("positions") as tell:
        found = list(islice(ledger.entries(wanted, after, tell), limit))
    if type is not None and not found:  # one that another version has written may be there
        check_known("event type", [type], EVENTS)
    if as_json:
        print_json(found)
        return
    rows = [(e.position, e.lane, e.type, e.stream, e.version, e.actor, f"{e.at:%F %T}") for e in found]
    print_table(
        ("position", "lane", "type", "stream", "version", "actor", "at (UTC)"), rows, "There are no such events."
    )


@app.command()
def show(
    event: Annotated[str, typer.Argument(help="Its position or its id.")],
    open: Annotated[bool, typer.Option("--open", help="Open its private content.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """All that is known of one event."""
    container = core(load_settings(data=data))
    found = _one(container.ledger(), event)
    shown = entries.with_content(found, container.seals(), open)
    print_json(shown) if as_json else entries.print_entry(shown)


@app.command()
def tail(
    after: Annotated[int | None, typer.Option(min=0, help="Begin after this position (default: the end).")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Events as they come, a line each, until Ctrl-C."""
    ledger = _ledger(data)
    for entry in _follow(ledger, ledger.head() if after is None else existing(ledger, after)):
        print_line(entries.as_json_line(entry) if as_json else entries.as_line(entry))


@app.command()
def trace(
    request: Annotated[str, typer.Argument(help="A correlation id, or the position of any of its events.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """All that followed from one request, as a tree of what led to what."""
    from application.causation import by_causation  # noqa: PLC0415
    from application.ledger import Selection  # noqa: PLC0415

    ledger = _ledger(data)
    correlation = _one(ledger, request).correlation if _is_position(request) else _id(request)
    with progress("positions") as tell:
        found = by_causation(ledger.entries(Selection(correlation=correlation), tell=tell))
    if not found:
        raise Failed(f"No event belongs to the request {correlation}.")
    print_json(entries.as_trace(correlation, found)) if as_json else entries.print_trace(correlation, found)


@app.command()
def stats(data: Data = None, as_json: AsJson = False) -> None:
    """How many events there are, of which types, from which days, in which lanes."""
    with progress("positions") as tell:
        found = _ledger(data).statistics(tell)
    if as_json:
        print_json(found)
        return
    total = found.total
    print_line(f"{counted(total.events, 'event')} in {counted(total.streams, 'stream')}, {total.bytes:,} bytes")
    for heading, tallies in (("type", found.by_type), ("day (UTC)", found.by_day), ("lane", found.by_lane)):
        rows = [(name, one.events, one.streams, one.bytes) for name, one in sorted(tallies.items())]
        if rows:
            print_table((heading, "events", "streams begun", "bytes"), rows, "")


@app.command()
def verify(data: Data = None, as_json: AsJson = False) -> None:
    """Check the whole log: positions, versions, times, lanes, envelopes, and all that they refer to."""
    ledger = _ledger(data)
    head, findings = ledger.head(), []
    with progress("positions") as tell:
        for finding in ledger.verify(tell):
            findings.append(finding)
            if not as_json:
                print_line(f"position {finding.position}: {finding.flaw}: {finding.detail}")
    if as_json:
        print_json({"events": head, "findings": findings})
    elif not findings:
        print_line(f"All {head:,} events are as they must be.")
    if findings:
        raise Failed(
            f"Something is wrong with the log ({counted(len(findings), 'finding')}). Restore it from a backup."
        )


def _ledger(data: Data) -> "Ledger":
    return core(load_settings(data=data)).ledger()


def _one(ledger: "Ledger", event: str) -> "Entry":
    """The event with this position or id."""
    from application.ledger import Selection  # noqa: PLC0415

    if _is_position(event):
        found = ledger.find(int(event)) if len(event) <= DIGITS and int(event) <= ledger.head() else None
    else:
        with progress("positions") as tell:
            found = next(ledger.entries(Selection(id=_id(event)), tell=tell), None)
    if found is None:
        raise Failed(f"There is no event {event}; the log ends at position {ledger.head()}.")
    return found


def _is_position(text: str) -> bool:
    """Raises Failed with exit code 2 for 0, where no event can be."""
    if not (text.isascii() and text.isdecimal()):
        return False
    if not text.strip("0"):
        raise Failed("The log begins at position 1; there is none at 0.", code=2)
    return True


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Failed(f"{text!r} is neither a position nor an id; `runledger events list` shows them.", code=2) from None


def _follow(ledger: "Ledger", after: int) -> "Iterator[Entry]":
    from application.ledger import Selection  # noqa: PLC0415

    while True:
        for entry in ledger.entries(Selection(), after):
            yield entry
            after = entry.position
        time.sleep(LOOK_EVERY_SECONDS)
