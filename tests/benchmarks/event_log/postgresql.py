"""Debian's PostgreSQL with its defaults, in a folder of its own, for the library's recorder."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from adapters.embedded.server import LOOPBACK, free_port
from tests.benchmarks.event_log.rounds import Missing
from tests.servers import running

USER = "postgres"


class PostgreSQL(msgspec.Struct, frozen=True):
    """The server with its files in `folder`, listening on a port of loopback. It never runs as root."""

    programs: Path
    folder: Path
    port: int
    name: str = "postgresql"

    def make(self) -> None:
        """The files of a new server."""
        command = [self.programs / "initdb", "-D", self.folder, "-U", USER, "--auth=trust"]
        subprocess.run([*as_user(), *command], check=True, capture_output=True, cwd=self.folder)

    def command(self) -> list[str]:
        place = ["-h", LOOPBACK, "-p", str(self.port), "-k", str(self.folder)]
        return [*as_user(), str(self.programs / "postgres"), "-D", str(self.folder), *place]

    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def answers(self) -> bool:
        asked = [self.programs / "pg_isready", "-q", "-h", LOOPBACK, "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0


def as_user() -> list[str]:
    """PostgreSQL refuses to run as root: Debian's package makes a user for it."""
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if os.geteuid() == 0 else []


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """A running server. Raises Missing."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        raise Missing("PostgreSQL is not installed: .ci/packages postgresql")
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as logs:
        if as_user():
            shutil.chown(name, USER, USER)
        server = PostgreSQL(programs[-1].parent, Path(name), free_port())
        server.make()
        with running(server, Path(logs)):
            yield server
