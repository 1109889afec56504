"""The languages of the catalogue, and where this machine has them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

from application.ports import Runtime

PYTHON_EXAMPLE = """\
import sys
import time

print("Hello from Python", sys.version.split()[0])
for count in range(1, 4):
    time.sleep(0.5)
    print("still here:", count)
"""

BASH_EXAMPLE = """\
echo "Hello from Bash $BASH_VERSION"
for count in 1 2 3; do
    sleep 0.5
    echo "still here: $count"
done
"""


def _python(version: str) -> Runtime:
    return Runtime("python", version, (f"python{version}",), "script.py", f"python:{version}-slim", PYTHON_EXAMPLE)


ROWS = (
    *(_python(version) for version in ("3.9", "3.10", "3.11", "3.12", "3.13")),
    Runtime("bash", "5.2", ("bash",), "script.sh", "bash:5.2", BASH_EXAMPLE),
)

READ_AND_RUN = 0o5
"""The mode bits that let everybody read and run a file."""
SYSTEM_FOLDERS = (Path("/usr/local/bin"), Path("/usr/bin"), Path("/bin"))


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
        found = locate(row.command[0])
    except NotInstalled as reason:
        return str(reason)
    version = _version(found.path)
    if version != row.version:
        return f"{found.path} is version {version}, not {row.version}."
    return None


@cache
def locate(program: str) -> Interpreter:
    """Prefers the system's own; else any that other users may read, with its prefix. Raises NotInstalled."""
    hidden: list[Path] = []
    for path in _candidates(program):
        if any(path.is_relative_to(folder) for folder in SYSTEM_FOLDERS) and path.resolve().is_relative_to("/usr"):
            return Interpreter(path, None)
        if _is_public(path.resolve()):
            return Interpreter(path.resolve(), path.resolve().parent.parent)
        hidden.append(path)
    if hidden:
        raise NotInstalled(f"{hidden[0]} cannot be read by other users, and a sandbox is one.")
    raise NotInstalled(f"{program} is not installed.")


def _candidates(program: str) -> Iterator[Path]:
    places = [*SYSTEM_FOLDERS, *map(Path, os.get_exec_path()), Path(sys.base_prefix, "bin")]
    for place in dict.fromkeys(places):
        if found := shutil.which(program, path=str(place)):
            yield Path(found)


def _is_public(path: Path) -> bool:
    """Every folder up to it can be entered, and it can be read, by everybody."""
    return path.stat().st_mode & READ_AND_RUN == READ_AND_RUN and all(f.stat().st_mode & 0o1 for f in path.parents)


def _version(path: Path) -> str:
    """Major and minor, as the program itself says: `Python 3.11.2`, `GNU bash, version 5.2.15(1)-release`."""
    said = subprocess.run([path, "--version"], check=False, capture_output=True, text=True, timeout=10).stdout
    numbers = [word for word in said.split() if word[0].isdigit()]
    return ".".join(numbers[0].split(".")[:2]) if numbers else "unknown"
