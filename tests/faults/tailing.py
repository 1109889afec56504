"""A process that reads the log as it grows, until it is killed, and notes each event it gets.

python -m tests.faults.tailing URL DATABASE NOTES
"""

import sys
from pathlib import Path

from adapters.mongo.connection import connect
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.log import MongoEventLog
from application.ports.log import LogUnavailable, Recorded
from tests.faults.history import Notes, seen

PAGE = 100
WAIT_SECONDS = 1.0


def read(log: MongoEventLog, after: int) -> list[Recorded]:
    try:
        return list(log.read(after, PAGE))
    except LogUnavailable:
        return []


def main(url: str, database: str, path: str) -> None:
    journal = Journal(connect(url)[database])
    log, notes, position, heard = MongoEventLog(journal), Notes(Path(path)), 0, 0
    while True:
        if events := read(log, position):
            notes.write(*seen(events))
            position = events[-1].position
        else:
            heard = journal.bell.wait(heard, WAIT_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])
