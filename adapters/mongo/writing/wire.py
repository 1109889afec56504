"""What goes between the process that writes the log and those that hand it commits."""

from collections.abc import Sequence
from concurrent.futures import Future
from uuid import UUID

import msgspec
from eventsourcing.persistence import IntegrityError, OperationalError, PersistenceError

from adapters.mongo.commits.commits import Commit, Line, Mark
from adapters.mongo.writing.settling import OutcomeUnknown


class Handed(msgspec.Struct, frozen=True, array_like=True):
    """A commit on its way to the writer."""

    id: UUID
    lines: Sequence[Line]
    marks: Sequence[Mark] = ()

    @classmethod
    def of(cls, commit: Commit) -> "Handed":
        return cls(commit.id, commit.lines, commit.marks)

    def commit(self) -> Commit:
        return Commit(self.lines, self.id, self.marks)


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """The first position of a commit, or why it has none."""

    id: UUID
    first: int = 0
    error: str = ""
    message: str = ""

    @classmethod
    def of(cls, id: UUID, stored: "Future[int]") -> "Answer":
        """What has become of it."""
        error = stored.exception()
        return cls(id, error=type(error).__name__, message=str(error)) if error else cls(id, stored.result())

    def outcome(self) -> int | PersistenceError:
        return ERRORS.get(self.error, OperationalError)(self.message) if self.error else self.first


ERRORS: dict[str, type[PersistenceError]] = {
    kind.__name__: kind for kind in (IntegrityError, OutcomeUnknown, OperationalError)
}
