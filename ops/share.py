"""`python -m ops.share refold|verify SHARE`: a part of a rebuild as a process, which prints what it found."""

import logging
import os
import sys
from threading import Event, Thread

import msgspec

from adapters.mongo.connection import connect
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.log import MongoEventLog
from adapters.mongo.read_models.read_models import MongoReadModels
from adapters.mongo.read_models.stored import MongoStored
from application.ports.log import LogDamaged, LogUnavailable
from ops.cli import access
from ops.cli.access import load_settings
from ops.hands import CURSOR_LOST, DAMAGED, UNAVAILABLE, Share
from ops.settings import Settings
from projections.hands import Own
from projections.registry import BY_NAME
from projections.store import CursorLost

STDIN = 0


def main(what: str, encoded: str) -> None:
    Thread(target=_end_with_stdin, daemon=True).start()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    share = msgspec.json.decode(encoded, type=Share)
    own = own_of(access.with_addresses(load_settings()), share.lanes)
    projection = BY_NAME[share.projection]
    if what == "refold":
        own.refold(projection, share.generation, share.upto, Event(), _say)
        _say(share.upto, share.upto)
    else:
        found = own.verify(projection, share.generation, Event(), _say, is_full=share.is_full)
        sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
        sys.stdout.buffer.flush()


def own_of(settings: Settings, lanes: frozenset[int]) -> Own:
    """Without a container, whose imports take as long as the rest of the start."""
    database = connect(settings.mongo_url)[settings.mongo_database]
    return Own(MongoEventLog(Journal(database)), MongoReadModels(database), MongoStored(database), lanes)


def _say(done: int, total: int) -> None:
    sys.stdout.write(f"{done} {total}\n")
    sys.stdout.flush()


def _end_with_stdin() -> None:
    """Not through `sys.stdin`, whose lock a thread that waits would hold when this process ends."""
    while os.read(STDIN, 1):
        continue
    os._exit(1)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except CursorLost:
        sys.exit(CURSOR_LOST)
    except LogDamaged as damage:
        _say(damage.position, damage.end)
        sys.exit(DAMAGED)
    except LogUnavailable as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(UNAVAILABLE)
