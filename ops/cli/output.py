"""How commands print: tables for people, JSON for programs; errors in one line."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


WIDEST = 10_000
NOT_RUN = 125
"""The exit code of `run` when the script was never run."""


class Failed(Exception):
    """The command cannot do what was asked; the message says why and what to do."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def print_json(value: Any) -> None:
    """One value; a list is printed as one array."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value)) + b"\n")
    sys.stdout.buffer.flush()


def print_line(value: object) -> None:
    """At once, also into a pipe."""
    sys.stdout.write(f"{value}\n")
    sys.stdout.flush()


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """A table, or a line that says that there is nothing to show."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    if not rows:
        sys.stdout.write(f"{empty}\n")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(width=WIDEST).print(table)  # a terminal wraps a long line; a cut id is of no use to anybody
