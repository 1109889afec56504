"""What an event does not say: the time, new ids, and which process does what."""

from contextlib import AbstractContextManager
from datetime import datetime
from threading import Event
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    def now(self) -> datetime: ...


class Ids(Protocol):
    def new(self) -> UUID: ...


class Roles(Protocol):
    def hold(self, role: str) -> AbstractContextManager[Event | None]:
        """While inside, nobody else holds this role. None where another process does; else set when it is lost.

        Raises LogUnavailable.
        """
