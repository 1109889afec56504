"""What `worker saga` is told as events come by. It finds all of it in the log and in the read models as well."""

from collections.abc import Iterator
from uuid import UUID

import msgspec

from application.ports.log import Recorded
from application.queue import Hint
from domain.execution import Execution
from domain.queue import Waiting
from projections.changes import Changes
from projections.projection import Projection, Put, plain


def fold(event: Recorded) -> Iterator[Put]:
    match event.data:
        case Execution.Requested(owner=owner):
            waiting = Waiting(event.stream, owner, priority=0, requested=event.position, since=event.at)
            yield Put(event.stream, waiting=plain(waiting))
        case Execution.Prioritized(priority=priority):
            yield Put(event.stream, priority=priority)
        case Execution.Finished():
            yield Put(event.stream, has_ended=True)


def as_hints(changes: Changes) -> list[Hint]:
    """What a batch of events says."""
    return [msgspec.convert({**one.set, "run": id}, Hint, builtin_types=(UUID,)) for id, one in changes.items()]


SAGA_HINTS = Projection("saga_hints", 1, fold, is_effect=True, is_hint=True)
