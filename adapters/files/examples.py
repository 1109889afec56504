"""The example scripts of the documentation: a folder for each, and a table that says what each shows."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from adapters.languages import ROWS
from application.ports.sandbox import ExampleScript

LANGUAGES = {Path(row.file_name).suffix: row.language for row in ROWS}
ROW = re.compile(r"^\| \[(?P<name>[^\]]+)\]\([^)]+\) \| (?P<shows>[^|]+) \|", re.MULTILINE)


def example_scripts(folder: Path) -> Sequence[ExampleScript]:
    """As the table orders them; none where the documentation is not there."""
    table = folder / "README.md"
    return list(_examples(folder, table.read_text())) if table.exists() else []


def _examples(folder: Path, table: str) -> Iterator[ExampleScript]:
    for row in ROW.finditer(table):
        (program,) = (folder / row["name"]).glob("main.*")
        stdin = program.with_name("stdin")
        yield ExampleScript(
            name=row["name"],
            description=row["shows"].replace("`", ""),
            language=LANGUAGES[program.suffix],
            file_name=program.name,
            script=program.read_text(),
            stdin=stdin.read_text() if stdin.exists() else "",
        )
