"""Having Kafka filled again from the log."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from ops.cli.access import Data, core, load_settings
from ops.cli.moments import existing
from ops.cli.output import AsJson, Failed, print_json, print_line, progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymongo.database import Database

    from adapters.kafka.progress import Progress


class Asked(msgspec.Struct, frozen=True):
    first: int
    last: int
    """Where the log ends, or ended when the relay took the request up."""
    is_done: bool


def mirror(
    first: Annotated[int, typer.Option("--from", min=1, help="From this position on.")] = 1,
    detach: Annotated[bool, typer.Option("--detach", help="Ask for it, and do not wait until it is done.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Have the relay send the log to Kafka again, which may have lost it. Ctrl-C ends the waiting alone."""
    container = core(load_settings(data=data))
    existing(container.log(), first)
    head = container.log().head()
    asked = _mirror(container.database(), first, head, detach)
    if as_json:
        print_json(asked)
        return
    events = f"events {asked.first:,} to {asked.last:,}"
    print_line(f"All {events} are in Kafka again." if asked.is_done else f"The relay is asked to send {events} again.")


def _mirror(database: "Database[dict[str, Any]]", first: int, head: int, detach: bool) -> Asked:
    from adapters.kafka.refill import NoRelay, RequestLost, ask  # noqa: PLC0415

    try:
        number = ask(database, first)
        return Asked(first, head, is_done=False) if detach else Asked(first, _wait(database, number), is_done=True)
    except (NoRelay, RequestLost) as problem:
        raise Failed(str(problem)) from problem


def _wait(database: "Database[dict[str, Any]]", number: int) -> int:
    """Returns the last position that was sent again."""
    from adapters.kafka.refill import follow  # noqa: PLC0415

    last, trouble = 0, ""
    with progress("events") as tell:
        for found in follow(database, number):
            if found.trouble not in ("", trouble):
                sys.stderr.write(f"The relay waits: {found.trouble}\n")
            trouble = found.trouble
            last = _tell(found, number, tell)
    return last


def _tell(found: "Progress", number: int, tell: "Callable[[int, int], None]") -> int:
    refill = found.refill
    if refill is None or refill.number < number:
        return 0
    tell(max(0, found.position + 1 - refill.first), refill.last + 1 - refill.first)
    return refill.last
