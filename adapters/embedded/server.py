"""What every embedded server has."""

import importlib.util
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

LOOPBACK = "127.0.0.1"
ANSWER_SECONDS = 1.0


class ProgramMissing(Exception):
    """A program that an embedded server needs is not installed."""


class Server(Protocol):
    """A program that is started, answers after a while, and is reached at an address."""

    @property
    def name(self) -> str:
        """What the server is called in log files and messages."""

    def command(self) -> Sequence[str]:
        """The program and its arguments. Raises ProgramMissing."""

    def address(self) -> str:
        """Where clients reach it: a URL, or `host:port` for Kafka. Empty while it has not said so."""

    def answers(self) -> bool:
        """Whether it answers a request of its protocol now; takes ANSWER_SECONDS at most."""


def free_port() -> int:
    """A TCP port on loopback that nobody held a moment ago; another program may still be faster."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Whether a server could listen on the port of loopback now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def exchange(port: int, request: bytes, size: int) -> bytes:
    """Send the request and return up to `size` bytes of the answer; empty when there is none."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=ANSWER_SECONDS) as connection:
            connection.sendall(request)
            return read(connection, size)
    except OSError:
        return b""


def read(connection: socket.socket, size: int) -> bytes:
    answer = b""
    while len(answer) < size and (part := connection.recv(size - len(answer))):
        answer += part
    return answer


def package_folder(package: str) -> Path | None:
    """Where an installed package lies, without importing it; None when it is not installed."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None
