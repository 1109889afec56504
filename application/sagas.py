"""Looking at sagas, and ending them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from application.executions import Executions
from application.ports.log import Context, EventLog, Recorded, StreamNotFound
from domain.execution import Execution, Status
from domain.saga import Saga, Step, saga_of, step_of


class Passed(msgspec.Struct, frozen=True):
    """A step that is behind a saga, and the event that says so."""

    step: Step
    at: datetime
    position: int


class SagaView(msgspec.Struct, frozen=True, kw_only=True):
    """One saga: what comes next, what is due when, what is behind it, and what was given up."""

    id: UUID
    execution: UUID
    owner: UUID
    sandbox: str
    status: Status
    """Of the run."""
    step: Step
    """What comes next."""
    start_by: datetime
    end_by: datetime
    compensated: Step | None
    reason: str
    steps: list[Passed]


class Sagas:
    def __init__(self, log: EventLog, executions: Executions) -> None:
        self._log = log
        self._executions = executions

    def view(self, id: UUID) -> SagaView:
        """Raises StreamNotFound."""
        saga = self._saga(id)
        run = self._log.load(Execution, saga.execution)
        events = [*self._log.history(saga.execution), *self._log.history(id)]
        return SagaView(
            id=id,
            execution=saga.execution,
            owner=saga.owner,
            sandbox=saga.sandbox,
            status=run.status,
            step=step_of(run.status, saga.is_released),
            start_by=saga.start_by,
            end_by=saga.end_by,
            compensated=saga.compensated,
            reason=saga.reason,
            steps=list(passed(sorted(events, key=lambda event: event.position))),
        )

    def cancel(self, context: Context, id: UUID) -> int:
        """Ask its run to end. Returns the position of the request. Raises StreamNotFound or ExecutionEnded."""
        return self._executions.cancel(context, self._saga(id).execution)

    def _saga(self, id: UUID) -> Saga:
        """Raises StreamNotFound; where this is the id of a run, it names the run's saga."""
        try:
            return self._log.load(Saga, id)
        except StreamNotFound as missing:
            events = self._log.history(id)
            if not (events and isinstance(events[0].data, Execution.Requested)):
                raise
            its_own = saga_of(id)
            hint = f"its saga is {its_own}" if self._log.history(its_own) else "it has no saga until it gets a place"
            raise StreamNotFound(f"There is no saga {id}. This is a run; {hint}.") from missing


def passed(events: Sequence[Recorded]) -> Iterator[Passed]:
    """What the events of a run and of its saga say is done. A step that was given up is not."""
    for event in events:
        yield from (Passed(step, event.at, event.position) for step in _steps(event))


def _steps(event: Recorded) -> Sequence[Step]:
    match event.data:
        case Saga.Begun():
            return (Step.VALIDATE, Step.RESERVE)
        case Execution.Started():
            return (Step.CREATE,)
        case Execution.Finished(outcome=outcome) if outcome.status not in {Status.INTERNAL_ERROR, Status.LOST}:
            return (Step.WATCH, Step.COLLECT)
        case Saga.Released():
            return (Step.RELEASE,)
    return ()
