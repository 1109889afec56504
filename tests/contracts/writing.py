"""A program that writes to the log until it is killed, and says each acknowledged commit on its standard output.

python -m tests.contracts.writing URL DATABASE THREADS
"""

import os
import sys
import threading

from adapters.mongo.connection import connect
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.log import MongoEventLog
from tests.contracts.event_log import NOON, OPERATOR, new_user


def write(log: MongoEventLog) -> None:
    while True:
        user = new_user()
        user.log_in(NOON)
        last = log.save(OPERATOR, user)
        os.write(sys.stdout.fileno(), f"{user.id} {last}\n".encode())  # whole lines, whatever the other threads write


def main(url: str, database: str, threads: str) -> None:
    log = MongoEventLog(Journal(connect(url)[database]))
    for _ in range(int(threads)):
        threading.Thread(target=write, args=[log]).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
