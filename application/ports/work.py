"""What there is to do outside because of events."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol, TypeVar
from uuid import UUID

import msgspec


class TaskKind(StrEnum):
    START = "start"
    FEED = "feed"
    STOP = "stop"
    REMOVE = "remove"


class Task(msgspec.Struct, frozen=True):
    """One thing to do to a sandbox, because of one event."""

    id: UUID
    """The event's id."""
    kind: TaskKind
    execution: UUID
    correlation: UUID
    trace: str


class Followed(msgspec.Struct, frozen=True):
    """A run whose sandbox is to be followed to its end."""

    id: UUID


class Identified(Protocol):
    @property
    def id(self) -> UUID: ...


T_co = TypeVar("T_co", bound=Identified, covariant=True)


class Tasks(Protocol[T_co]):
    """One worker's tasks. They stay until they are done, whatever dies."""

    def pending(self) -> Sequence[T_co]:
        """The oldest first."""

    def done(self, tasks: Sequence[UUID]) -> None:
        """Forget them; harmless when they are forgotten already."""


class Starts(Tasks[Task], Protocol):
    """Those of the executor."""

    def reached(self) -> Mapping[int, int]:
        """Up to which position of each lane the tasks are made."""


class UnfinishedRuns(Protocol):
    def unfinished(self) -> Sequence[UUID]:
        """The runs that may not have ended yet, as the read model knows them: it may lag."""
