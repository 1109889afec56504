"""The runs that have not ended, as the read models know them: they may lag."""

from collections.abc import Sequence
from uuid import UUID

from adapters.mongo.read_models.read_models import MongoReadModels
from application.ports.work import Followed
from domain.queue import Waiting
from projections import execution_history, execution_status
from projections.execution_history import ExecutionRow
from projections.execution_status import Unfinished


class MongoOpenRuns:
    """Implements the ports UnfinishedRuns, WaitingRuns and OpenRuns, and Tasks for those who follow sandboxes."""

    def __init__(self, read_models: MongoReadModels) -> None:
        self._read_models = read_models

    def unfinished(self) -> Sequence[UUID]:
        return [run.id for run in self._read_models.find(execution_status.unfinished(), Unfinished)]

    def of(self, owner: UUID, most: int) -> Sequence[UUID]:
        return [run.id for run in self._read_models.find(execution_status.unfinished_of(owner, most), Unfinished)]

    def waiting(self) -> Sequence[Waiting]:
        rows = self._read_models.find(execution_history.queue(), ExecutionRow)
        return [Waiting(row.id, row.owner, row.priority, row.requested_position, row.requested_at) for row in rows]

    def pending(self) -> Sequence[Followed]:
        """Those that have a sandbox."""
        return self._read_models.find(execution_history.under_way(), Followed)

    def done(self, tasks: Sequence[UUID]) -> None:
        """Nothing is to be forgotten: they are no longer open."""
