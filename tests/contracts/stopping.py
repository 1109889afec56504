"""Clients that stop for good, or for a while, in the middle of a transaction."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

from pymongo import MongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from adapters.mongo.connection import client_options

SECONDS = 60.0


class Before(CommandListener):
    """Does something before a command of this name is sent."""

    def __init__(self, command: str, do: Callable[[], object]) -> None:
        self._command = command
        self._do = do

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name == self._command:
            self._do()

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


def connect_with(url: str, listener: CommandListener) -> MongoClient[dict[str, Any]]:
    return MongoClient(url, event_listeners=[listener], **client_options())


class Stopping:
    """A client that stops before a command of the name given is sent, until it is let go on."""

    def __init__(self, url: str, command: str) -> None:
        self._is_there, self._may_go_on = Event(), Event()
        self._threads = ThreadPoolExecutor()
        self.client = connect_with(url, Before(command, self._stop))

    def _stop(self) -> None:
        self._is_there.set()
        self._may_go_on.wait(SECONDS)

    def begin(self, work: Callable[[], object]) -> "Future[object]":
        """Returns once it has come there."""
        begun = self._threads.submit(work)
        assert self._is_there.wait(SECONDS)
        return begun

    def go_on(self) -> None:
        self._may_go_on.set()

    def close(self) -> None:
        self.go_on()
        self._threads.shutdown()
        self.client.close()


@contextmanager
def stopping(url: str, command: str = "commitTransaction") -> Iterator[Stopping]:
    opened = Stopping(url, command)
    try:
        yield opened
    finally:
        opened.close()
