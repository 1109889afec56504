"""The replays that a worker has to look after: the durable half of what their operators asked for."""

from collections.abc import Iterator
from uuid import UUID

import msgspec

from application.ports.log import Recorded
from application.replaying import ReplayTask
from domain.replay import Replay
from projections.changes import Changes
from projections.projection import OLDEST_FIRST, Projection, Put


def fold(event: Recorded) -> Iterator[Put]:
    """A pause is seen by whoever is at it."""
    match event.data:
        case Replay.Started() | Replay.Resumed() | Replay.Cancelled() | Replay.Dropped():
            yield Put(event.id, replay=event.stream, correlation=event.correlation, trace=event.trace)


def as_replay_tasks(changes: Changes) -> list[ReplayTask]:
    """What a committed batch leaves to do."""
    documents = ({**one.document, "id": id} for id, one in changes.items())
    return [msgspec.convert(document, ReplayTask, builtin_types=(UUID,)) for document in documents]


REPLAY_TASKS = Projection("replay_tasks", 1, fold, OLDEST_FIRST, is_effect=True)
