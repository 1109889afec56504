"""One process of several that append together.

python -m tests.benchmarks.event_log.appending MONGO REDIS DATABASE CALLERS LEADS [WAY...], with ways as in `tests.ways`
"""

import json
import resource
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from adapters.mongo.connection import connect
from adapters.mongo.log.journal import Journal
from tests.benchmarks.event_log import events
from tests.benchmarks.event_log.servers import open_journal
from tests.ways import way


def main(mongo: str, redis: str, database: str, callers: str, leads: str, *words: str) -> None:
    """For each line with a number and a rate, append so many events, and answer with what it took."""
    journal, stop = open_journal(connect(mongo), database, redis, [way(word) for word in words]), threading.Event()
    lost = counted(journal)
    leading = threading.Thread(target=journal.leadership.run, args=[stop])
    if leads == "1":
        leading.start()
        while not journal.database.leases.find_one({"_id": "writer", "state": {"$ne": {}}}):
            time.sleep(0.01)
    say("ready")
    with ThreadPoolExecutor(int(callers)) as pool:
        for line in sys.stdin:
            appends, rate = line.split()
            lost.clear()
            cpu = cpu_milliseconds()
            delays = list(pool.map(lambda due: append(journal, due), moments(int(appends), float(rate))))
            say(json.dumps({"delays": delays, "lost": len(lost), "cpu": cpu_milliseconds() - cpu}))
    stop.set()
    if leads == "1":
        leading.join()
    journal.close()


def counted(journal: Journal) -> list[object]:
    """Grows with each insert that another process was faster than."""
    lost: list[object] = []
    refuse = journal.writer._tail._refuse
    journal.writer._tail._refuse = lambda details: lost.append(details) or refuse(details)
    return lost


def cpu_milliseconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1_000


def moments(appends: int, rate: float) -> list[float]:
    """When each is to be appended: so many per second, or at once with a rate of 0."""
    now = time.perf_counter()
    return [now + number / rate if rate else now for number in range(appends)]


def append(journal: Journal, due: float) -> float:
    time.sleep(max(0.0, due - time.perf_counter()))
    begun = time.perf_counter()
    journal.append([events.line()])
    return (time.perf_counter() - begun) * 1_000


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
