"""Embedded servers that tests start and stop: each a process of its own, with its files in a temporary folder."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.embedded.kafka import Kafka
from adapters.embedded.secantus import Secantus
from adapters.embedded.server import LOOPBACK, Server

START_SECONDS = 90
_reserved: list[socket.socket] = []


def reserved_port() -> int:
    """A port of loopback that no other program is given while these tests run.

    It is bound and not listened on: connections are refused, and a server that sets SO_REUSEADDR, as all here do, may
    listen on it whenever it starts.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((LOOPBACK, 0))
    _reserved.append(holder)
    return int(holder.getsockname()[1])


class Running:
    """A server as a process that can be killed and started again."""

    def __init__(self, server: Server, log: Path) -> None:
        self.server = server
        self._log = log
        self.start()

    @property
    def address(self) -> str:
        return self.server.address()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self.server.command(), stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self.server.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.server.name} does not start: {self._log.read_text()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def running(server: Server, folder: Path) -> Iterator[Running]:
    started = Running(server, folder / f"{server.name}.log")
    try:
        yield started
    finally:
        started.stop()


def secantus(folder: Path) -> Secantus:
    """An embedded Mongo on a port of its own."""
    return Secantus(folder / "mongo", reserved_port())


def kafka(folder: Path, lanes: int = 8) -> Kafka:
    """An embedded broker with its topics."""
    return Kafka(folder / "kafka.address", {"runledger.events": lanes, "runledger.dead-letters": 1})
