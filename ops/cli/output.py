"""How commands print: tables for people, JSON for programs; errors in one line."""

import io
import os
import select
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Annotated, Any, Protocol
from uuid import UUID

import msgspec
import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

UNLIMITED = 10_000
"""Columns: more than any table has."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


NOT_RUN = 125
"""The exit code of `run` when the script was never run."""

CUT = 128 + signal.SIGPIPE
"""The exit code when whoever read the output has gone, as a shell has it."""


class Whole(io.FileIO):
    """Takes all it is given, in as many parts as it needs, and waits where a pipe is full that does not block.

    Python's own files lose the rest: unbuffered ones (PYTHONUNBUFFERED) of a short write, others where nothing fits.
    """

    def write(self, data: Any) -> int:
        try:
            while (written := super().write(data)) is None:
                select.select([], [self], [])
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Unwritable(error.errno, error.strerror) from error
        return written


class Unwritable(OSError):
    """Stdout or stderr cannot be written, and not because whoever read it has gone."""


def take_over_outputs() -> None:
    """Let stdout and stderr lose nothing, however this process was started. Raises Failed where there is no stdout."""
    if sys.stdout is None:
        raise Failed("stdout is closed; send it to a file, or to /dev/null.", NOT_RUN if "run" in sys.argv[1:2] else 1)
    sys.stdout, sys.stderr = _whole(sys.stdout), _whole(sys.stderr)


def _whole(stream: Any) -> Any:
    """None where it is closed."""
    if stream is None:
        return None
    buffer = io.BufferedWriter(Whole(stream.fileno(), "w", closefd=False))
    return io.TextIOWrapper(buffer, stream.encoding, stream.errors, line_buffering=stream.line_buffering)


class Failed(Exception):
    """The command cannot do what was asked; the message says why and what to do."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Unwritten(Failed):
    """What a command says when its stdout is unwritable."""

    @classmethod
    def of(cls, error: Unwritable) -> "Unwritten":
        close(sys.stdout)
        return cls(f"stdout cannot be written: {error.strerror}.")


@contextmanager
def printing() -> Iterator[None]:
    """What is written to stdout in it is out at its end.

    Raises BrokenPipeError where whoever read it has gone, and Unwritten where there is another reason.
    """
    try:
        yield
        sys.stdout.flush()
    except Unwritable as error:
        raise Unwritten.of(error) from error


def print_json(value: Any) -> None:
    """One value; a list is printed as one array."""
    with printing():
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value)) + b"\n")


def print_line(value: object) -> None:
    """At once, also into a pipe."""
    with printing():
        sys.stdout.write(f"{value}\n")


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """A table, or a line that says that there is nothing to show."""
    from rich.table import Table  # noqa: PLC0415

    if not rows:
        print_line(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    print_drawn(table)


def print_drawn(drawing: "RenderableType") -> None:
    """Cuts no line: a terminal wraps a long one, and a cut id is of no use to anybody."""
    from rich.console import Console  # noqa: PLC0415

    console = Console(soft_wrap=True, width=UNLIMITED)
    with printing():
        with console.capture() as drawn:  # it would end the process itself where nobody reads it
            console.print(drawing)
        sys.stdout.write(drawn.get())


def counted(number: int, what: str) -> str:
    """Such as `1 event` and `2,000 events`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def visible(text: str) -> str:
    """What a terminal would obey, as an escape, is shown instead."""
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


def say(line: str) -> None:
    """On stderr, where somebody still reads that."""
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except OSError:
        close(sys.stderr)


def close(stream: IO[Any]) -> None:
    """What is still to be written there cannot be, and shall not be tried again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def as_id(text: str) -> UUID:
    """An id on the command line."""
    try:
        return UUID(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no id.") from None


class Bar(Protocol):
    def __call__(self, done: int, total: int, what: str = ..., /) -> None:
        """So many of so many are done, of what was said at first or of something else now."""


@contextmanager
def progress(what: str) -> Iterator[Bar]:
    """A bar on stderr, where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total, _what="": None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total, now=what: bar.update(task, description=now, completed=done, total=total)
