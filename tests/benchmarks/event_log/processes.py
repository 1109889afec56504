"""Several processes that append together, of which one writes for all: what every process of the product is."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from statistics import median

from adapters.mongo.connection import connect
from tests.benchmarks.event_log import events
from tests.benchmarks.event_log.rounds import Figures, in_turns, ratio
from tests.benchmarks.event_log.servers import Servers, open_journal, servers
from tests.benchmarks.report import Row, percentile

APPENDS = 1_600
LEAST_RATE, MOST_P99 = 0.8, 3.0

ONE, FOUR = "1 process x 32 callers", "4 processes x 8 callers"
LAYOUTS = {ONE: [32], FOUR: [8, 8, 8, 8]}
"""The callers in each process."""


def table() -> list[Row]:
    with ExitStack() as stack:
        running = stack.enter_context(servers())
        groups = {name: stack.enter_context(group(running, name, callers)) for name, callers in LAYOUTS.items()}
        delays: dict[str, list[float]] = {name: [] for name in groups}
        rates = in_turns({name: lambda name=name: rate(groups[name], delays[name]) for name in groups})
    return list(rows_of(rates, delays))


def rows_of(rates: Figures, p99s: dict[str, list[float]]) -> Iterator[Row]:
    """The p99s are of each round; that of the first round, which makes all ready, does not count."""
    delays = {name: values[1:] for name, values in p99s.items()}
    yield Row(ONE, f"{median(rates[ONE]):.0f} commits/s")
    yield Row(FOUR, f"{median(rates[FOUR]):.0f} commits/s", ONE, ratio(rates, FOUR, ONE), f"{LEAST_RATE}")
    yield Row(f"{ONE}: p99", f"{median(delays[ONE]):.1f} ms")
    yield Row(f"{FOUR}: p99", f"{median(delays[FOUR]):.1f} ms", ONE, ratio(delays, FOUR, ONE), f"at most {MOST_P99}")


Process = subprocess.Popen[str]


@contextmanager
def group(running: Servers, name: str, callers: list[int]) -> Iterator[list[Process]]:
    """Processes over a log of their own; the first one writes for all."""
    database = name.replace(" ", "_")
    with ExitStack() as stack:
        leader = stack.enter_context(process(running, database, callers[0], leads=True))
        others = [stack.enter_context(process(running, database, each, leads=False)) for each in callers[1:]]
        yield [leader, *others]


@contextmanager
def process(running: Servers, database: str, callers: int, *, leads: bool) -> Iterator[Process]:
    command = [sys.executable, "-m", __name__, running.mongo, running.redis, database, str(callers), str(int(leads))]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert started.stdout.readline() == "ready\n"
        yield started
    finally:
        started.stdin.close()
        started.wait(10)


def rate(processes: list[Process], p99s: list[float]) -> float:
    """Commits per second of all together; adds their p99 in milliseconds."""
    each = APPENDS // len(processes)
    begun = time.perf_counter()
    for one in processes:
        one.stdin.write(f"{each}\n")
        one.stdin.flush()
    answers = [json.loads(one.stdout.readline()) for one in processes]
    seconds = time.perf_counter() - begun
    p99s.append(percentile([delay for answer in answers for delay in answer], 0.99))
    return APPENDS / seconds


# In each process ----------------------------------------------------------------------------------------------


def main(mongo: str, redis: str, database: str, callers: str, leads: str) -> None:
    """For each line with a number, append so many events, and answer with the milliseconds each of them took."""
    journal, stop = open_journal(connect(mongo), database, redis), threading.Event()
    leading = threading.Thread(target=journal.leadership.run, args=[stop])
    if leads == "1":
        leading.start()
        while not journal.leadership.is_held:
            time.sleep(0.01)
        time.sleep(0.5)  # so that the others find it in the lease
    say("ready")
    with ThreadPoolExecutor(int(callers)) as pool:
        for line in sys.stdin:
            say(json.dumps(list(pool.map(lambda _: append(journal), range(int(line))))))
    stop.set()
    if leads == "1":
        leading.join()
    journal.close()


def append(journal) -> float:
    begun = time.perf_counter()
    journal.append([events.line()])
    return (time.perf_counter() - begun) * 1_000


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
