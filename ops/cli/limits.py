"""The limits of a run as options of the command line."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from application.run_requests import LimitWishes

OPTIONS = {
    "wall_seconds": "--timeout",
    "cpus": "--cpus",
    "memory_bytes": "--memory",
    "pids": "--pids",
    "output_bytes": "--output",
    "disk_bytes": "--disk",
}
"""By their names in the API."""

_SIZE = re.compile(r"(?P<number>[0-9]{1,18})(?P<unit>[KMG]?)")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_WRONG = re.compile(r"(?P<what>.*) - at `\$\.(?P<field>(?:limits\.)?[a-z_]+)`")
_FIELD = re.compile(r"limits\.(?P<name>[a-z_]+)")


def as_size(text: str) -> int:
    """Bytes, such as 4096, 64K, 256M and 1G."""
    if found := _SIZE.fullmatch(text.upper()):
        return int(found["number"]) * _UNITS[found["unit"]]
    raise typer.BadParameter(f"{text!r} is no size; write it in bytes, or as 64K, 256M or 1G.")


def _size(help: str) -> object:
    return typer.Option(parser=as_size, metavar="SIZE", help=help)


Timeout = Annotated[float | None, typer.Option(metavar="SECONDS", help="Wall time.")]
Cpus = Annotated[float | None, typer.Option(metavar="CORES", help="Such as 0.5.")]
Memory = Annotated[int | None, _size("With its files, which are in memory; at least 16M.")]
Pids = Annotated[int | None, typer.Option(metavar="NUMBER", help="Processes and threads at once.")]
Output = Annotated[int | None, _size("What it may print, on stdout and stderr together.")]
Disk = Annotated[int | None, _size("Of each folder that it may write to; at least 64K.")]


def wishes(**limits: float | None) -> "LimitWishes | None":
    """None where nothing but the default limits is asked for."""
    from application.run_requests import LimitWishes  # noqa: PLC0415

    given = {name: value for name, value in limits.items() if value is not None}
    return LimitWishes(**given) if given else None  # type: ignore[arg-type]  # checked when the run is requested


def in_options(sentence: str) -> str:
    """What the API says of a field, with the option's name for the field's, and that first."""
    if found := _WRONG.fullmatch(sentence):
        field = found["field"] if "." in found["field"] else f"--{found['field']}"
        sentence = f"{field}: {found['what']}"
    return _FIELD.sub(lambda field: OPTIONS.get(field["name"], field[0]), sentence)
