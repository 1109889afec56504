"""A process that changes shared streams until it is killed, and leads the writers when nobody else does.

python -m tests.faults.writing URL DATABASE NOTES THREADS TERM_SECONDS
"""

import sys
import threading
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from random import Random
from uuid import NAMESPACE_URL, UUID, uuid5

from adapters.mongo import leadership, leases, tail
from adapters.mongo.connection import connect
from adapters.mongo.journal import Journal
from adapters.mongo.log import MongoEventLog
from application.ports import LogUnavailable, StreamNotFound, VersionConflict
from domain.user import User
from tests.contracts.event_log import NOON, new_user
from tests.faults.history import Notes, save

STREAMS = [uuid5(NAMESPACE_URL, f"shared stream {number}") for number in range(20)]
PAUSE_SECONDS = 0.2


class Skewed(datetime):
    """A clock that is up to a minute wrong, differently in each process."""

    SKEW = timedelta(seconds=Random().uniform(-60, 60))

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime.now(tz) + cls.SKEW


def write(log: MongoEventLog, notes: Notes) -> None:
    """One, two or three streams in each commit; whoever was too late decides again on what the log holds."""
    dice = Random()
    while True:
        streams = dice.sample(STREAMS, dice.choice([1, 1, 2, 3]))
        is_fresh = False
        while not attempt(log, notes, streams, is_fresh=is_fresh):
            is_fresh = True


def attempt(log: MongoEventLog, notes: Notes, streams: list[UUID], *, is_fresh: bool) -> bool:
    try:
        users = [user_of(log, stream, is_fresh=is_fresh) for stream in streams]
        for user in users:
            user.log_in(NOON)
        save(log, notes, *users)
    except VersionConflict:
        return False
    except LogUnavailable:
        threading.Event().wait(PAUSE_SECONDS)
        return False
    return True


def user_of(log: MongoEventLog, stream: UUID, *, is_fresh: bool) -> User:
    try:
        return log.load(User, stream) if is_fresh else log.recall(User, stream)
    except StreamNotFound:
        return new_user(stream)


def main(url: str, database: str, notes: str, threads: str, term: str) -> None:
    leases.TERM_SECONDS = float(term)
    leadership.RENEWAL_SECONDS = float(term) / 3
    tail.datetime = Skewed
    journal = Journal(connect(url)[database])
    threading.Thread(target=journal.leadership.run, args=[threading.Event()]).start()
    for _ in range(int(threads)):
        threading.Thread(target=write, args=[MongoEventLog(journal), Notes(Path(notes))]).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
