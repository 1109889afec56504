"""Writing the log into a file: JSON Lines, one event each, private content as ciphertext."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import msgspec
import typer

from ops.cli.access import Data, core, load_settings
from ops.cli.moments import existing
from ops.cli.output import AsJson, Failed, counted, print_json, print_line, printing, progress

if TYPE_CHECKING:
    from application.ledger import Ledger

STDOUT = "-"


class Exported(msgspec.Struct, frozen=True):
    to: str
    events: int
    last: int
    """The last position; the next export may begin after it."""


def export(
    to: Annotated[str, typer.Option(help="A new file, or - for stdout.")],
    after: Annotated[int, typer.Option(min=0, help="Only events after this position.")] = 0,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Write events as JSON Lines: each line the position and then the event to the byte as it stands in the log."""
    if not to:
        raise Failed("--to is empty; name a new file, or - for stdout.", code=2)
    if to == STDOUT and as_json:
        raise Failed("With --to - the events themselves are printed, as JSON Lines; leave out --json.", code=2)
    ledger = core(load_settings(data=data)).ledger()
    existing(ledger, after)
    if to == STDOUT:
        with printing():
            _write(ledger, after, sys.stdout.buffer)
        return
    with _new_file(Path(to)) as target:
        number = _write(ledger, after, target)
    done = Exported(to, number, after + number)
    print_json(done) if as_json else print_line(f"{counted(number, 'event')}, up to position {done.last}, in {to}.")


def _write(ledger: "Ledger", after: int, target: IO[bytes]) -> int:
    """Returns the number of events."""
    from application.ledger import exported  # noqa: PLC0415

    number = 0
    with progress("positions") as tell:
        for position, event in ledger.lines(after, tell):
            target.write(exported(position, event))
            number += 1
    return number


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """There whole at the end, or not at all; a file that exists is never written over."""
    if path.exists():
        raise _exists(path)
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as draft:
            try:
                yield draft.file
                draft.flush()
                os.fsync(draft.fileno())
                os.link(draft.name, path)
            finally:
                Path(draft.name).unlink()
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror}. Nothing was left there.") from error


def _exists(path: Path) -> Failed:
    return Failed(f"{path} exists already; name another file, or remove it first.")
