"""A process that rebuilds a read model for one request, until it is done or killed.

python -m tests.faults.rebuilding URL DATABASE REQUEST
"""

import sys
from threading import Event
from uuid import UUID

from redis import Redis

from adapters.mongo.connection import connect
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.log import MongoEventLog
from adapters.mongo.read_models.read_models import MongoReadModels
from adapters.mongo.read_models.stored import MongoStored
from adapters.redis.progress import RedisProgress
from projections.hands import Own
from projections.rebuild import Rebuild
from tests.faults.folding import STATES

FEW_BYTES = 20_000
"""So that it is killed in the middle of storing something, and not once for all."""


def main(url: str, name: str, request: str) -> None:
    database = connect(url)[name]
    log, store = MongoEventLog(Journal(database)), MongoReadModels(database)
    own = Own(log, store, MongoStored(database), most_bytes=FEW_BYTES)
    progress = RedisProgress(Redis(port=9))  # it is away, which changes nothing
    Rebuild(store.generations, store, log, own, progress, STATES, UUID(request)).run(Event(), is_full=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
