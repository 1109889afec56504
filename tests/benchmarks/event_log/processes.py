"""Several processes that append together: each for itself, or all by the one that leads, as in the product."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median
from typing import NamedTuple

from tests.benchmarks.event_log.rounds import Figures, in_turns, ratio
from tests.benchmarks.event_log.servers import Servers, servers
from tests.benchmarks.report import Row, percentile

APPENDS = 1_600
LEAST_RATE, MOST_P99 = 0.8, 3.0
PACED, PER_SECOND = 600, 200
"""How many commits a round has where they come at a rate, all processes together, and the rate."""
SINGLE = 200
"""How many one caller makes."""

ALONE, SOCKET, REDIS = "each for itself", "by socket", "by Redis"
WAYS = (ALONE, SOCKET, REDIS)
ONE, FOUR = "1 process x 32 callers", "4 processes x 8 callers"


class Round(NamedTuple):
    """What all processes did together; milliseconds."""

    rate: float
    p50: float
    p99: float
    lost: int
    """Inserts at a position that another process had taken."""
    cpu: float
    """Of these processes, the servers not counted, for each commit."""


Rounds = Mapping[str, Sequence[Round]]


def table() -> list[Row]:
    with ExitStack() as stack:
        running = stack.enter_context(servers())
        return [*fast(running), *paced(running), *single(running)]


def fast(running: Servers) -> Iterator[Row]:
    """As fast as they can."""
    layouts = {ONE: (ALONE, [32])} | {f"{FOUR}, {way}": (way, [8] * 4) for way in WAYS}
    rounds = measured(running, layouts, lambda processes: together(processes, APPENDS))
    for name in rounds:
        yield beside_one(name, name, of(rounds, "rate"), "commits/s", f"{LEAST_RATE}")
        yield beside_one(f"{name}: p99", name, of(rounds, "p99"), "ms", f"at most {MOST_P99}")


def beside_one(case: str, name: str, figures: Figures, unit: str, aim: str) -> Row:
    value = f"{median(figures[name]):.0f} {unit}"
    if name == ONE:
        return Row(case, value)
    return Row(case, value, ONE, ratio(figures, name, ONE), "" if name.endswith(ALONE) else aim)


def paced(running: Servers) -> Iterator[Row]:
    """At a rate that one process manages easily."""
    layouts = {
        f"{PER_SECOND} commits/s, {count} processes, {way}": (way, [16] * count) for count in (2, 3) for way in WAYS
    }
    rounds = measured(running, layouts, lambda processes: together(processes, PACED, PER_SECOND))
    for name, each in rounds.items():
        lost = median(one.lost for one in each)
        p99 = median(of(rounds, "p99")[name])
        yield Row(name, f"p99 {p99:.1f} ms, {lost:.0f} positions lost to others in {PACED} commits")


def single(running: Servers) -> Iterator[Row]:
    """One caller, in a process that does not lead."""
    layouts = {f"1 caller beside the leader, {way}": (way, [1, 1]) for way in WAYS}
    rounds = measured(running, layouts, lambda processes: together(processes[1:], SINGLE))
    itself = next(iter(layouts))
    for name, each in rounds.items():
        cpu = median(one.cpu for one in each)
        figure = f"p50 {median(of(rounds, 'p50')[name]):.2f} ms, its process {cpu:.2f} ms of CPU"
        beside = {} if name == itself else {"beside": itself, "ratio": ratio(of(rounds, "p50"), name, itself)}
        yield Row(name, figure, **beside)


def of(rounds: Rounds, figure: str) -> Figures:
    return {name: [getattr(one, figure) for one in each] for name, each in rounds.items()}


def measured(
    running: Servers, layouts: dict[str, tuple[str, list[int]]], act: Callable[["list[Process]"], Round]
) -> Rounds:
    """Of each layout: the way they hand over, and the callers in each process."""
    with ExitStack() as stack:
        groups = {name: stack.enter_context(group(running, name, *layout)) for name, layout in layouts.items()}
        return in_turns({name: partial(act, processes) for name, processes in groups.items()})


Process = subprocess.Popen[str]


@contextmanager
def group(running: Servers, name: str, way: str, callers: list[int]) -> Iterator[list[Process]]:
    """Processes over a log of their own; the first one leads, unless each writes for itself."""
    database = name.replace(" ", "_").replace(",", "").replace("/", "_")
    word = {ALONE: [], SOCKET: ["socket"], REDIS: [running.redis]}[way]
    with ExitStack() as stack:
        start = partial(process, running, database, word)
        leader = stack.enter_context(start(callers[0], leads=way != ALONE))
        yield [leader, *(stack.enter_context(start(each, leads=False)) for each in callers[1:])]


@contextmanager
def process(running: Servers, database: str, word: list[str], callers: int, *, leads: bool) -> Iterator[Process]:
    program = [sys.executable, "-m", "tests.benchmarks.event_log.appending"]
    command = [*program, running.mongo, running.redis, database, str(callers), str(int(leads)), *word]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert started.stdout.readline() == "ready\n"
        yield started
    finally:
        started.stdin.close()
        started.wait(10)


def together(processes: list[Process], appends: int, rate: float = 0.0) -> Round:
    each = appends // len(processes)
    begun = time.perf_counter()
    for one in processes:
        one.stdin.write(f"{each} {rate / len(processes)}\n")
        one.stdin.flush()
    answers = [json.loads(one.stdout.readline()) for one in processes]
    seconds = time.perf_counter() - begun
    delays = [delay for answer in answers for delay in answer["delays"]]
    lost, cpu = (sum(answer[key] for answer in answers) for key in ("lost", "cpu"))
    return Round(appends / seconds, median(delays), percentile(delays, 0.99), lost, cpu / appends)
