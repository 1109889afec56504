"""What the API asks of the outside beyond the application's ports: everything that is asynchronous."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar
from uuid import UUID

from application.progress import Reached
from domain.sealed import Sealed
from projections.projection import Notice, Query, Sums

T = TypeVar("T")
Heard = TypeVar("Heard", covariant=True)  # noqa: PLC0105 - a noun like all others


class ReadModels(Protocol):
    async def find(self, query: Query, kind: type[T]) -> Sequence[T]: ...

    async def add_up(self, sums: Sums, kind: type[T]) -> Sequence[T]: ...

    async def generation(self, projection: str) -> int:
        """The live one."""

    async def positions(self, projection: str, generation: int) -> Mapping[int, int]:
        """How far a read model has come, by lane; empty for a generation that is dropped."""

    async def position(self, projection: str, generation: int, lane: int) -> int:
        """How far a read model has come in one lane."""


class SealedFrames(Protocol):
    """Frames `first` to `last` of one run."""

    @property
    def first(self) -> int: ...

    @property
    def last(self) -> int: ...

    @property
    def content(self) -> Sealed[bytes]: ...


class Inbox(Protocol):
    async def get(self) -> Notice | SealedFrames | None:
        """The next message; None is a reminder to look at the stores."""

    def put(self, message: None) -> None: ...


class Hears(Protocol[Heard]):
    async def get(self) -> Heard | None:
        """The next message; None where some were dropped."""


class Bus(Protocol):
    async def run(self) -> None:
        """Hear what is published, until cancelled."""

    def subscribe(self, execution: UUID) -> AbstractAsyncContextManager[Inbox]: ...

    def progress(self) -> AbstractAsyncContextManager[Hears[Reached]]:
        """What is told of long work."""

    def moves_of(self, projection: str) -> asyncio.Event:
        """Set each time that it is heard that a read model has moved."""

    async def moved(self, projection: str, generation: int, lane: int, position: int) -> None:
        """Wait until it is heard that a read model has come to a position; a notice that gets lost is not heard."""

    async def frames(self, execution: UUID, after: int, limit: int) -> Sequence[SealedFrames]:
        """The next pieces of live output above a frame number, at most `limit`; empty when there are none."""
