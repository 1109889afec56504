"""An effect worker of these tests: it posts the id of every run that is requested to a receiver.

python -m tests.faults.posting DATA URL
"""

import sys
from collections.abc import Iterator
from threading import Event, Thread
from types import MappingProxyType
from urllib.request import Request, urlopen
from uuid import UUID

import msgspec

from adapters.mongo.read_models.read_models import MongoTasks
from application.backlog import Backlog
from application.ports.log import Recorded
from domain.execution import Execution
from ops.cli.access import workers
from ops.loading import load
from projections.engine import Engine
from projections.projection import OLDEST_FIRST, Projection, Put


class Posting(msgspec.Struct, frozen=True):
    id: UUID


def fold(event: Recorded) -> Iterator[Put]:
    if isinstance(event.data, Execution.Requested):
        yield Put(event.id, stream=event.stream)


POSTS = Projection("posts", 1, fold, OLDEST_FIRST, is_effect=True)


def post(backlog: Backlog[Posting], url: str) -> None:
    while True:
        for task in backlog.waiting():
            backlog.begin(task)
            with urlopen(Request(url, data=task.id.bytes), timeout=10):
                backlog.done(task)
        backlog.wait(0.2)


def main(data: str, url: str) -> None:
    container = workers(load({"RUNLEDGER_DATA": data}))
    log, store = container.log(), container.read_models()
    store.generations.prepare([POSTS], log.lane_heads(), log.lanes)
    backlog = Backlog(MongoTasks(store, POSTS, Posting))
    Thread(target=post, args=(backlog, url), daemon=True).start()
    listeners = {POSTS.name: lambda changes: backlog.offer(map(Posting, changes))}
    Engine("posts", [POSTS], container.feed(), log, store, container.notices(), MappingProxyType(listeners)).run(
        Event()
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
