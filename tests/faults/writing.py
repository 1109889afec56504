"""A process that changes shared streams until it is killed, and leads the writers when nobody else does.

python -m tests.faults.writing URL DATABASE NOTES THREADS TERM_SECONDS WAY
"""

import os
import sys
import threading
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from random import Random
from uuid import NAMESPACE_URL, UUID, uuid5

from adapters.mongo import leases
from adapters.mongo.commits.commits import Commit
from adapters.mongo.connection import connect
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.log import MongoEventLog
from adapters.mongo.writing import handover, leadership, tail
from application.ports.log import LogUnavailable, StreamNotFound, VersionConflict
from domain.user import User
from tests.contracts.event_log import NOON, new_user
from tests.faults.history import Notes, save
from tests.ways import way

STREAMS = [uuid5(NAMESPACE_URL, f"shared stream {number}") for number in range(20)]
PAUSE_SECONDS = 0.2


class Skewed(datetime):
    """A clock that is up to a minute wrong, differently in each process."""

    SKEW = timedelta(seconds=Random().uniform(-60, 60))

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
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


def note_handed(journal: Journal, path: Path) -> None:
    """One byte for each commit that another process has stored for this one."""
    file, hand = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), journal._handover.hand

    def noted(commit: Commit) -> int:
        first = hand(commit)
        os.write(file, b".")
        return first

    journal._handover.hand = noted


def main(url: str, database: str, notes: str, threads: str, term: str, word: str) -> None:
    leases.TERM_SECONDS = float(term)
    leadership.RENEWAL_SECONDS = float(term) / 3  # type: ignore[attr-defined]
    leadership.TRY_AGAIN_SECONDS = handover.LOOK_AGAIN_SECONDS = float(term) / 6
    tail.datetime = Skewed  # type: ignore[attr-defined]
    journal = Journal(connect(url)[database], ways=[way(word)])
    note_handed(journal, Path(notes).with_suffix(".handed"))
    threading.Thread(target=journal.leadership.run, args=[threading.Event()]).start()
    for _ in range(int(threads)):
        threading.Thread(target=write, args=[MongoEventLog(journal), Notes(Path(notes))]).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
