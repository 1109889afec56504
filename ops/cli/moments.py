"""A moment of the past on the command line: `--at POSITION` or `--time TIME`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from ops.cli.output import Failed

if TYPE_CHECKING:
    from ops.containers.core import Core


def as_time(text: str) -> datetime:
    """ISO 8601; UTC where it does not say otherwise."""
    try:
        given = datetime.fromisoformat(text)
        return given.astimezone(UTC) if given.tzinfo else given.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # before the year 1, or after 9999
        raise typer.BadParameter(f"{text!r} is no time; write it as 2026-01-31 or 2026-01-31T12:30:00Z.") from None


At = Annotated[int | None, typer.Option("--at", "--position", min=1, help="As it was at this position of the log.")]
Time = Annotated[datetime | None, typer.Option(parser=as_time, metavar="TIME", help="As it was at this time (UTC).")]


def check_order(since: datetime | None, until: datetime | None) -> None:
    """Raises Failed with exit code 2 where no time is between the two."""
    from application import selection  # noqa: PLC0415

    try:
        selection.check_order(since, until)
    except selection.SelectionRefused as problem:
        raise Failed(str(problem), code=2) from problem


class Headed(Protocol):
    def head(self) -> int: ...


def existing(log: Headed, position: int) -> int:
    """The position itself. Raises Failed where the log ends before it."""
    if position > (head := log.head()):
        raise Failed(f"There is no position {position} yet; the log ends at {head}.")
    return position


def moment(container: "Core", position: int | None, time: datetime | None) -> int | None:
    """The position that was named, if one was. Raises Failed where the log has no such moment."""
    from application.moments import NoSuchMoment, position_of  # noqa: PLC0415

    if position is not None and time is not None:
        raise Failed("Name a position or a time, not both.", code=2)
    try:
        return position_of(container.ledger(), position, time)
    except NoSuchMoment as problem:
        raise Failed(str(problem)) from problem
