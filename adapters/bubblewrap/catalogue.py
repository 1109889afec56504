"""Where this machine has the languages of the catalogue."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

from adapters.languages import ROWS
from application.ports.sandbox import Runtime

READ_AND_RUN = 0o5
"""The mode bits that let everybody read and run a file."""
SYSTEM_FOLDERS = (Path("/usr/local/bin"), Path("/usr/bin"), Path("/bin"))
VERSION = re.compile(r"\d+(?:\.\d+)*")
ASKED_FOR_IT = {"go": "version"}
"""What makes a program say its version, where that is not `--version`."""
COMPILED = {"go": Path("pkg", "linux_amd64", "fmt.a")}
"""What shows that the standard library is compiled: a run has neither the time nor the memory for that."""
NOT_COMPILED = "{program} comes without its standard library compiled: GODEBUG=installgoroot=all {program} install std."


class NotInstalled(Exception):
    """This language version is not installed where a sandbox can see it."""


class Interpreter(msgspec.Struct, frozen=True):
    """`prefix` is the folder to show besides /usr; None when /usr has it all."""

    path: Path
    prefix: Path | None


def installed() -> list[Runtime]:
    """The rows that run on this machine."""
    return [row for row in ROWS if missing_because(row) is None]


def missing() -> dict[Runtime, str]:
    """The other rows, each with the reason in a sentence."""
    return {row: reason for row in ROWS if (reason := missing_because(row))}


def missing_because(row: Runtime) -> str | None:
    try:
        locate(row.program, row.version)
    except NotInstalled as reason:
        return str(reason)
    return None


@cache
def locate(program: str, version: str = "") -> Interpreter:
    """The first of this version, or of any, that a sandbox can use. Raises NotInstalled."""
    places = list(_places(program))
    found = next((place for place in places if _is(version, place.path)), None)
    if found is None:
        raise NotInstalled(f"{places[0].path} is version {_version(places[0].path) or 'unknown'}, not {version}.")
    if program in COMPILED and not (found.path.resolve().parents[1] / COMPILED[program]).exists():
        raise NotInstalled(NOT_COMPILED.format(program=found.path))
    return found


def _places(program: str) -> list[Interpreter]:
    """The system's own first, then any that other users may read, with its prefix. Raises NotInstalled for none."""
    there = list(_candidates(program))
    usable = [place for path in there if (place := _seen_from_inside(path))]
    if there and not usable:
        raise NotInstalled(f"{there[0]} cannot be read by other users, and a sandbox is one.")
    if not usable:
        raise NotInstalled(f"{program} is not installed.")
    return usable


def _seen_from_inside(path: Path) -> Interpreter | None:
    real = path.resolve()
    if any(path.is_relative_to(folder) for folder in SYSTEM_FOLDERS) and real.is_relative_to("/usr"):
        return Interpreter(path, None)
    return Interpreter(real, real.parents[1]) if _is_public(real) else None


def _candidates(program: str) -> Iterator[Path]:
    places = [*SYSTEM_FOLDERS, *map(Path, os.get_exec_path()), Path(sys.base_prefix, "bin")]
    for place in dict.fromkeys(places):
        if found := shutil.which(program, path=str(place)):
            yield Path(found)


def _is_public(path: Path) -> bool:
    """Every folder up to it can be entered, and it can be read, by everybody."""
    return path.stat().st_mode & READ_AND_RUN == READ_AND_RUN and all(f.stat().st_mode & 0o1 for f in path.parents)


def _is(version: str, program: Path) -> bool:
    return not version or f"{_version(program)}.".startswith(f"{version}.")


@cache
def _version(program: Path) -> str:
    """As it says itself: `Python 3.11.2`, `v20.20.2`, `GNU bash, version 5.2.15(1)-release`, `go version go1.19.8`."""
    command = [str(program), ASKED_FOR_IT.get(program.name, "--version")]
    said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=10).stdout
    found = VERSION.search(said)
    return found[0] if found else ""
