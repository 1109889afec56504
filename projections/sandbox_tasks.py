"""What executors and monitors have yet to do: the durable half of an effect, made from events.

A task is written in the same transaction as the mark of the event it follows from, and deleted when it is done.
It is an effect, so it is never rebuilt: only events above the mark make tasks.
"""

from collections.abc import Iterator
from uuid import UUID

import msgspec

from application.ports import Recorded, Task, TaskKind
from domain.execution import Execution
from projections.changes import Changes
from projections.projection import OLDEST_FIRST, Projection, Put


def fold_for_executor(event: Recorded) -> Iterator[Put]:
    match event.data:
        case Execution.Requested():
            yield _task(TaskKind.START, event)
        case Execution.CancelRequested():
            yield _task(TaskKind.STOP, event)


def fold_for_monitor(event: Recorded) -> Iterator[Put]:
    match event.data:
        case Execution.SandboxCreated():
            yield _task(TaskKind.WATCH, event)


def _task(kind: TaskKind, event: Recorded) -> Put:
    return Put(event.id, kind=kind.value, execution=event.stream, correlation=event.correlation, trace=event.trace)


def as_tasks(changes: Changes) -> list[Task]:
    """What a committed batch leaves to do."""
    return [msgspec.convert({**one.set, "id": id}, Task, builtin_types=(UUID,)) for id, one in changes.items()]


EXECUTOR = Projection("executor_tasks", 1, fold_for_executor, OLDEST_FIRST, is_effect=True)
MONITOR = Projection("monitor_tasks", 1, fold_for_monitor, OLDEST_FIRST, is_effect=True)
