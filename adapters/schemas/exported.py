"""The schemas in the repository, one file for each record, and whether the event classes still agree with them.

A file stays when a newer version comes: events of that version stand in the log for ever.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec

from adapters.schemas.compatibility import Narrowing, narrowings
from adapters.schemas.record import ENDING, Record, Schema, record_of, schema_of
from domain.events import EVENTS

FOLDER = Path(__file__).parent / "events"
EXPORT = "run `runledger schemas export`"
OWN_FIELDS = "data"


class Problem(msgspec.Struct, frozen=True):
    """Where a class and the files do not agree."""

    event: str
    field: str | None
    """The field of the event that it is about; None when it is about the event."""
    says: str
    """What is wrong and what to do, in a sentence or two."""
    is_repaired_by_export: bool = False


class Incompatible(Exception):
    """The files were left as they are, for they would hide an incompatible change."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(" ".join(problem.says for problem in problems))
        self.problems = problems


class FileUnreadable(Exception):
    """This is no schema of an event; restore it from the repository's history, or remove it if it was never there."""


Files = Mapping[int, Schema]
"""One event type's schemas by their version."""


def read(folder: Path = FOLDER) -> dict[Record, Schema]:
    """All schemas in the folder. Raises FileUnreadable."""
    return dict(map(_read, sorted(folder.glob(f"*{ENDING}"))))


def _read(file: Path) -> tuple[Record, Schema]:
    try:
        return Record.in_file(file.name), msgspec.json.decode(file.read_bytes(), type=Schema)
    except ValueError as error:  # msgspec's errors are of this kind as well
        raise FileUnreadable(f"{file}: {error}. {FileUnreadable.__doc__}") from error


@cache
def committed() -> Mapping[Record, Schema]:
    """The schemas of all events that there may be in a log, as this program was shipped with them."""
    return read()


def check(kinds: Mapping[str, type] = EVENTS, folder: Path = FOLDER) -> list[Problem]:
    """Empty when every class can read what the files allow, and the files say what every class writes.

    Raises FileUnreadable.
    """
    found = read(folder)
    problems = [
        problem
        for name, kind in kinds.items()
        for problem in _problems(
            name, kind, {version: schema for (type, version), schema in found.items() if type == name}
        )
    ]
    gone = sorted({record.type for record in found} - kinds.keys())
    return problems + [_vanished(name) for name in gone]


def export(kinds: Mapping[str, type] = EVENTS, folder: Path = FOLDER) -> list[Path]:
    """Write what is new or has changed; returns those files. Writes nothing at all when it raises Incompatible.

    Raises FileUnreadable as well.
    """
    problems = check(kinds, folder)
    hard = [problem for problem in problems if not problem.is_repaired_by_export]
    if hard:
        raise Incompatible(hard)
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(folder, problem.event, kinds[problem.event]) for problem in problems]


def _write(folder: Path, name: str, kind: type) -> Path:
    file = folder / record_of(name, kind).file
    file.write_bytes(msgspec.json.format(msgspec.json.encode(schema_of(name, kind)), indent=2) + b"\n")
    return file


# What can be wrong with one event class ------------------------------------------------------------------------


def _problems(name: str, kind: type, files: Files) -> Iterator[Problem]:
    version = record_of(name, kind).version
    yield from _wrong_version(name, version, files)
    yield from _missing_upcasters(name, kind, version)
    if version in files:
        yield from _changes(name, kind, version, files[version])
    else:
        yield Problem(
            name, None, f"{name} version {version} has no schema file yet: {EXPORT}.", is_repaired_by_export=True
        )


def _wrong_version(name: str, version: int, files: Files) -> Iterator[Problem]:
    newest = max(files, default=0)
    if version < newest:
        says = f"events of version {newest} may stand in logs: set `class_version = {newest}`, or a higher one"
        yield Problem(name, None, f"{name} has gone back to version {version}, but {says}.")
    if version > newest + 1:
        says = f"versions are exported one after the other: set `class_version = {newest + 1}`"
        yield Problem(
            name, None, f"{name} has version {version}, and the newest schema file {newest or 'none'}; {says}."
        )
    for older in range(1, min(version, newest)):
        if older not in files:
            file = Record(name, older).file
            says = "events of it stand in logs: restore the file from the repository's history"
            yield Problem(name, None, f"{name} has lost its schema file {file}, but {says}.")


def _missing_upcasters(name: str, kind: type, version: int) -> Iterator[Problem]:
    for older in range(1, version):
        upcast = f"upcast_v{older}_v{older + 1}"
        if not callable(getattr(kind, upcast, None)):
            says = f"events of version {older} could not be read: add the static method `{upcast}(fields)` to the class"
            yield Problem(name, None, f"{name} has version {version} but no `{upcast}`, so {says}.")


def _changes(name: str, kind: type, version: int, exported: Schema) -> Iterator[Problem]:
    schema = schema_of(name, kind)
    found = narrowings(exported, schema)
    for narrowing in found:
        yield _narrowed(name, version, narrowing)
    if schema != exported and not found:
        file = Record(name, version).file
        yield Problem(
            name, None, f"{name} has changed since {file} was exported: {EXPORT}.", is_repaired_by_export=True
        )


def _narrowed(name: str, version: int, narrowing: Narrowing) -> Problem:
    within, _, field = narrowing.field.partition(".")
    why = (
        "some schema registries take that for incompatible and would hold the relay up"
        if narrowing.is_readable
        else f"events of version {version} in the log could no longer be read as they were meant"
    )
    if within != OWN_FIELDS:
        says = f"{name}: the field `{narrowing.field}` of the envelope {narrowing.what}; {why}"
        return Problem(name, narrowing.field, f"{says}. Envelopes have no upcasters: undo that change.")
    upcast = f"upcast_v{version}_v{version + 1}"
    return Problem(
        name,
        field,
        f"{name}: the field `{field}` {narrowing.what}; {why}. Undo that change, or give the class `class_version = "
        f"{version + 1}` and a static method `{upcast}(fields)` that turns the old fields into the new ones, then "
        f"{EXPORT}.",
    )


def _vanished(name: str) -> Problem:
    return Problem(
        name,
        None,
        f"{name} has schema files but no class, so events of it in the log could no longer be read: restore the class "
        "(an event that is no longer recorded stays for the old ones).",
    )
