"""Builds the two C programs: `python -m adapters.supervisor.build`. Quick when they are up to date."""

import importlib.util
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SOURCES = Path(__file__).parent
KEEPER_SOURCES = SOURCES.parent / "bubblewrap"
BIN = SOURCES / "bin"
SUPERVISOR = BIN / "supervisor"
KEEPER = BIN / "keeper"

FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s")


class NoCompiler(Exception):
    """There is no C compiler: apt-get install gcc, or pip install ziglang."""


def find_compiler() -> list[str]:
    """The machine's compiler, else PyPI's ziglang; raises NoCompiler."""
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return [found]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc", "-target", f"{platform.machine()}-linux-musl"]
    raise NoCompiler(NoCompiler.__doc__)


def sources(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.c"))


def is_current(program: Path, folder: Path) -> bool:
    """Neither its sources nor a header nor this file is newer than it."""
    if not program.exists():
        return False
    inputs = [*sources(folder), *SOURCES.glob("*.h"), *KEEPER_SOURCES.glob("*.h"), Path(__file__)]
    return program.stat().st_mtime > max(file.stat().st_mtime for file in inputs)


def compile_program(program: Path, folder: Path, compiler: Sequence[str], flags: Sequence[str] = FLAGS) -> None:
    """Appears in one step: a program that is running or half written is never overwritten."""
    program.parent.mkdir(parents=True, exist_ok=True)
    draft = program.with_suffix(".new")
    subprocess.run([*compiler, *flags, "-o", draft, *sources(folder)], check=True)
    draft.chmod(0o755)  # read by the unprivileged user that bwrap runs as, through a descriptor
    draft.replace(program)


def build() -> list[Path]:
    """Build what is not up to date; returns it. Raises NoCompiler or CalledProcessError."""
    stale = [(p, f) for p, f in ((SUPERVISOR, SOURCES), (KEEPER, KEEPER_SOURCES)) if not is_current(p, f)]
    for program, folder in stale:
        compile_program(program, folder, find_compiler())
    return [program for program, _ in stale]


if __name__ == "__main__":
    for built in build():
        print(f"built {built}")  # noqa: T201  # a build tool says what it did
