"""A program that leads the writers until it is killed, and says on its standard output when it can be reached.

python -m tests.contracts.leading URL DATABASE WAY DOES, with what it DOES with the commits of others: `answers`; or it
`stores` or `forgets` them, says so, and never answers.
"""

import sys
import threading
from concurrent.futures import Future

from adapters.mongo.commits.commits import Commit
from adapters.mongo.connection import connect
from adapters.mongo.log.journal import Journal
from adapters.mongo.writing.bell import Bell
from adapters.mongo.writing.leadership import Leadership
from adapters.mongo.writing.writer import Writer
from tests.ways import way


class Silent:
    """A writer that answers nobody."""

    def __init__(self, writer: Writer, does: str) -> None:
        self._writer = writer
        self._does = does

    def submit(self, commit: Commit) -> "Future[int]":
        if self._does == "stores":
            self._writer.submit(commit).result()
        say(self._does)
        return Future()


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main(url: str, database: str, word: str, does: str) -> None:
    journal = Journal(connect(url)[database], bell_of=lambda _: Bell())
    writer = journal.writer if does == "answers" else Silent(journal.writer, does)
    leadership = Leadership(journal.database, writer, [way(word)])
    threading.Thread(target=leadership.run, args=[threading.Event()]).start()
    while not journal.database.leases.find_one({"_id": "writer", "state": {"$ne": {}}}):
        threading.Event().wait(0.01)
    say("leads")


if __name__ == "__main__":
    main(*sys.argv[1:])
