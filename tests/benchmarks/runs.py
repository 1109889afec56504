"""A run's way, from the request to the browser."""

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from statistics import median

import httpx

from tests.benchmarks.bare import HELLO, bare_route, bare_run, bare_runs_per_second
from tests.benchmarks.report import Row, p50_p99
from tests.journeys.conftest import execute, follow, output_of
from tests.system import System

ROUNDS = 5
PER_ROUND = 20
AT_ONCE = 50
PRINTS = 40
BODY = {"language": "python", "script": HELLO}


def table(system: System) -> list[Row]:
    client = system.log_in()
    warm_up(client)
    return [accepting(client, system.running.mongo_url), *hello(client), printing(client), at_once(client)]


def warm_up(client: httpx.Client) -> None:
    for _ in range(10):
        list(follow(client, execute(client, HELLO)))


def accepting(client: httpx.Client, mongo_url: str) -> Row:
    ours: list[float] = []
    theirs: list[float] = []
    with bare_route(mongo_url) as bare:
        for _ in range(ROUNDS):
            theirs += [timed(lambda: bare.post("/document", json=BODY)) for _ in range(PER_ROUND)]
            ours += [timed(lambda: client.post("/execute", json=BODY)) for _ in range(PER_ROUND)]
            settle(client)
    ratio = median(ours) / median(theirs)
    return Row("POST /execute -> 202", p50_p99(ours), f"a bare route with Motor: {p50_p99(theirs)}", ratio)


def settle(client: httpx.Client) -> None:
    """Until what was requested has ended, so that rounds do not disturb each other."""
    while any(run["ended_at"] is None for run in client.get("/executions?limit=100").json()["items"]):
        time.sleep(0.05)


def timed(act) -> float:
    since = time.perf_counter()
    answer = act()
    assert answer.status_code == 202, answer.text
    return (time.perf_counter() - since) * 1000


def hello(client: httpx.Client) -> Iterator[Row]:
    ours: list[float] = []
    theirs: list[float] = []
    stages: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        theirs += [bare_run() for _ in range(PER_ROUND)]
        ours += [one_hello(client, stages) for _ in range(PER_ROUND)]
    beside = f"bwrap + python3 alone: {p50_p99(theirs)}"
    yield Row(
        "POST /execute -> result_stored", p50_p99(ours), beside, median(ours) / median(theirs), "p50 80 ms, p99 200 ms"
    )
    for stage, moments in stages.items():
        yield Row(f"  … until {stage}", f"p50 {median(moments):.1f} ms")


def one_hello(client: httpx.Client, stages: dict[str, list[float]]) -> float:
    """Milliseconds until the result; notes when each message came."""
    since = time.perf_counter()
    run = execute(client, HELLO)
    stages["202"].append((time.perf_counter() - since) * 1000)
    for message in follow(client, run):
        stages[message.event].append((time.perf_counter() - since) * 1000)
    return stages["result_stored"][-1]


def printing(client: httpx.Client) -> Row:
    """How old a line is when it arrives: the script prints the clock, which it shares with this process."""
    script = f"import time\nfor _ in range({PRINTS}): print(time.time_ns(), flush=True); time.sleep(0.15)"
    ages = []
    for message in follow(client, execute(client, script)):
        if message.event == "output":
            now = time.time_ns()
            ages.append((now - int(output_of([message]).split()[-1])) / 1e6)
    return Row("print in the script -> byte at the client", p50_p99(ages), aim="p50 20 ms")


def at_once(client: httpx.Client) -> Row:
    bare = median(bare_runs_per_second(AT_ONCE) for _ in range(2))
    rates = [runs_per_second(client) for _ in range(3)]
    ours = median(rates)
    return Row(
        f"{AT_ONCE} runs at once",
        f"{ours:.1f} runs/s",
        f"bare bwrap, two at a time: {bare:.1f} runs/s",
        ours / bare,
        "0.35",
    )


def runs_per_second(client: httpx.Client) -> float:
    """From the first request to the last result on its stream."""
    since = time.perf_counter()
    runs = [execute(client, HELLO) for _ in range(AT_ONCE)]
    for run in reversed(runs):
        *_, last = follow(client, run)
        assert last.data["status"] == "succeeded", json.dumps(last.data)
    return AT_ONCE / (time.perf_counter() - since)
