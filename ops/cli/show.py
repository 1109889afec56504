"""What there is and how it is: status, doctor, config show."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ops.cli.access import Data, core, load_settings
from ops.cli.output import AsJson, Failed, counted, print_json, print_line, print_table
from ops.settings import shown

if TYPE_CHECKING:
    from adapters.kafka.progress import Refill
    from ops.containers.core import Core

config_app = typer.Typer(no_args_is_help=True)


@config_app.command("show")
def show_config(data: Data = None, as_json: AsJson = False) -> None:
    """Every setting with its value and where that came from."""
    settings = shown(load_settings(data=data))
    if as_json:
        print_json([{**line._asdict(), "value": _plain(line.value)} for line in settings])
        return
    rows = [(line.key, _plain(line.value), line.source, line.meaning) for line in settings]
    print_table(("key", "value", "source", "meaning"), rows, "")


def status(data: Data = None, as_json: AsJson = False) -> None:
    """The log's head, and how far the relay and every projection have come."""
    found = _status(core(load_settings(data=data)))
    if as_json:
        print_json(found)
        return
    print_line(f"{counted(found['events'], 'event')}, {counted(found['unfinished'], 'run')} under way")
    print_line(_relay_in_words(**found["relay"]))
    rows = [
        (one.name, one.state, one.position, one.lag, f"{one.lag_seconds:.1f}", one.parked)
        for one in found["projections"]
    ]
    print_table(("projection", "state", "newest event", "events behind", "seconds", "parked"), rows, "")
    if parked := sum(one.parked for one in found["projections"]):
        print_line(f"{parked} events could not be folded or wait behind such; `runledger dlq list` shows them.")


def _status(container: "Core") -> dict[str, Any]:
    from projections import execution_status  # noqa: PLC0415
    from projections.registry import SHOWN  # noqa: PLC0415

    unfinished = container.read_models().find(execution_status.unfinished(), execution_status.Unfinished)
    return {
        "events": container.log().head(),
        "unfinished": len(unfinished),
        "relay": _relay(container),
        "projections": container.lookout().overview(SHOWN),
    }


def _relay(container: "Core") -> dict[str, Any]:
    from adapters.kafka.progress import behind, progress  # noqa: PLC0415
    from adapters.mongo.connection import reachable  # noqa: PLC0415

    with reachable():
        relay = progress(container.database())
        missing = behind(container.journal(), relay.position)
    return {
        "position": relay.position,
        "lag": missing.events,
        "seconds_behind": missing.seconds,
        "refill": relay.refill if relay.is_refilling else None,
        "trouble": relay.trouble,
    }


def _relay_in_words(position: int, lag: int, seconds_behind: float, refill: "Refill | None", trouble: str) -> str:
    age = f" ({seconds_behind:,.0f} s)" if lag else ""
    again = f"It sends {refill.first} to {refill.last} again." if refill else ""
    return " ".join(
        f"The relay to Kafka is at {position}, {counted(lag, 'event')}{age} behind. {again} {trouble}".split()
    )


def doctor(data: Data = None, as_json: AsJson = False) -> None:
    """Whether this machine has what Runledger needs, and what to do where it has not."""
    from ops.examination import examine  # noqa: PLC0415

    findings = examine(load_settings(data=data))
    if as_json:
        print_json([{"name": name, "problem": problem} for name, problem in findings])
    else:
        print_table(("what", "finding"), [(name, problem or "ok") for name, problem in findings], "")
    if any(problem for _, problem in findings):
        raise Failed("Something is missing; see above.")


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
