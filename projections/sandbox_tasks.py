"""What executors, monitors and results workers have yet to do, made from events.

An executor's task is written in the same transaction as the mark of the event it follows from, and deleted when it is
done: from then on there must be a sandbox. It is an effect, so it is never rebuilt: only events above the mark make
tasks. The others are told of the runs to follow, and find them in the read model as well.
"""

from collections.abc import Iterator
from uuid import UUID

import msgspec

from application.ports.log import Recorded
from application.ports.work import Followed, Task, TaskKind
from domain.execution import Execution, Status
from projections.changes import Changes
from projections.projection import OLDEST_FIRST, Projection, Put

GIVEN_UP = {Status.INTERNAL_ERROR, Status.LOST}
"""Nobody may have heard the end of the sandbox: it may be still there, or still to come."""


def fold_for_executor(event: Recorded) -> Iterator[Put]:
    match event.data:
        case Execution.SandboxCreated():
            yield _task(TaskKind.START, event)
        case Execution.InputGiven():
            yield _task(TaskKind.FEED, event)
        case Execution.CancelRequested():
            yield _task(TaskKind.STOP, event)
        case Execution.Finished(outcome=outcome) if outcome.status in GIVEN_UP:
            yield _task(TaskKind.REMOVE, event)


def fold_followed(event: Recorded) -> Iterator[Put]:
    match event.data:
        case Execution.SandboxCreated():
            yield Put(event.stream, has_ended=False)
        case Execution.Finished():
            yield Put(event.stream, has_ended=True)


def _task(kind: TaskKind, event: Recorded) -> Put:
    return Put(event.id, kind=kind.value, execution=event.stream, correlation=event.correlation, trace=event.trace)


def as_tasks(changes: Changes) -> list[Task]:
    """What a committed batch leaves to do."""
    return [msgspec.convert({**one.set, "id": id}, Task, builtin_types=(UUID,)) for id, one in changes.items()]


def as_followed(changes: Changes) -> list[Followed]:
    """The runs that have a sandbox from now on."""
    return [Followed(id) for id, one in changes.items() if isinstance(id, UUID) and not one.set["has_ended"]]


EXECUTOR = Projection("executor_tasks", 1, fold_for_executor, OLDEST_FIRST, is_effect=True)
MONITOR = Projection("monitor_tasks", 1, fold_followed, is_effect=True, is_hint=True)
RESULTS = Projection("results_tasks", 1, fold_followed, is_effect=True, is_hint=True)
