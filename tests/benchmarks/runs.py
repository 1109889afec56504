"""A run's way, from the request to the browser."""

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from uuid import uuid4

import httpx

from adapters.bubblewrap import BubblewrapSandbox
from adapters.bubblewrap.catalogue import installed, locate
from application.ports.sandbox import Ended, Job, Runtime
from domain.execution import Limits, Status
from ops.settings import default_slots
from tests.benchmarks import idle
from tests.benchmarks.bare import HELLO, as_in_our_sandbox, bare_route, bare_run, bare_runs_per_second
from tests.benchmarks.report import Row, p50_p99
from tests.contracts.test_bubblewrap import cgroup_folders, members
from tests.journeys.conftest import execute, follow, output_of, result_of
from tests.system import System

ROUNDS = 5
PER_ROUND = 20
AT_ONCE = 200
CANCELLED = 30
GONE_LOOK_SECONDS = 0.002
PRINTS = 40
WAITING = "import time\nprint('up', flush=True)\ntime.sleep(60)"
BODY = {"language": "python", "script": HELLO}


def table(system: System) -> list[Row]:
    client = system.log_in()
    warm_up(client)
    return [
        accepting(client, system.running.mongo_url),
        *hello(client),
        hello_in_the_sandbox(),
        printing(client),
        at_once(client),
        cancelling(client),
        running(system, client),
    ]


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
        "POST /execute -> result_stored", p50_p99(ours), beside, median(ours) / median(theirs), "p50 60 ms, p99 150 ms"
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


def hello_in_the_sandbox() -> Row:
    """From the start until its end is read; removing it is not waited for."""
    python = next(runtime for runtime in installed() if runtime.language == "python")
    line = as_in_our_sandbox(locate(python.program, python.version).path)
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        sandbox = BubblewrapSandbox(Path(folder))
        for _ in range(ROUNDS):
            theirs += [bare_run(line) for _ in range(PER_ROUND)]
            ours += [one_in_the_sandbox(sandbox, python) for _ in range(PER_ROUND)]
    beside = f"the same bwrap line + interpreter: {p50_p99(theirs)}"
    return Row("Python hello in the sandbox", p50_p99(ours), beside, median(ours) / median(theirs), "1.3")


def one_in_the_sandbox(sandbox: BubblewrapSandbox, python: Runtime) -> float:
    name = f"run-{uuid4()}-1"
    since = time.perf_counter()
    sandbox.start(Job(name, python, HELLO.encode(), b"", Limits()))
    frames = list(sandbox.watch(name))
    took = (time.perf_counter() - since) * 1000
    assert isinstance(frames[-1], Ended)
    assert frames[-1].outcome.status is Status.SUCCEEDED, frames[-1]
    sandbox.remove(name)
    return took


def printing(client: httpx.Client) -> Row:
    """How old a line is when it arrives: the script prints the clock, which it shares with this process."""
    script = f"import time\nfor _ in range({PRINTS}): print(time.time_ns(), flush=True); time.sleep(0.15)"
    ages = []
    for message in follow(client, execute(client, script)):
        now = time.time_ns()
        if message.event == "output" and (times := output_of([message]).split()):  # a line's end may come by itself
            ages.append((now - int(times[-1])) / 1e6)
    return Row("print in the script -> byte at the client", p50_p99(ages), aim="p50 20 ms")


def at_once(client: httpx.Client) -> Row:
    """As many run at a time as there are places."""
    rates, bares = [], []
    for _ in range(3):
        bares.append(bare_runs_per_second(AT_ONCE, default_slots()))
        rates.append(runs_per_second(client))
    ours, bare = median(rates), median(bares)
    return Row(
        f"{AT_ONCE} runs queued at once",
        f"{ours:.1f} runs/s",
        f"bare bwrap, {default_slots()} at a time: {bare:.1f} runs/s",
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


def cancelling(client: httpx.Client) -> Row:
    """A script that ignores SIGTERM, from the request until its cgroup is gone: that is when nothing of it runs."""
    script = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('up')\ntime.sleep(60)"
    took = [cancelled(client, execute(client, script)) for _ in range(CANCELLED)]
    return Row("POST …/cancel -> sandbox gone", f"{p50_p99(took)}, most {max(took):.1f} ms", aim="at most 1 s")


def cancelled(client: httpx.Client, run: str) -> float:
    next(message for message in follow(client, run) if message.event == "output")
    sandbox = f"run-{run}-1"
    assert cgroup_folders(sandbox)
    since = time.perf_counter()
    timed(lambda: client.post(f"/executions/{run}/cancel"))
    while cgroup_folders(sandbox):
        time.sleep(GONE_LOOK_SECONDS)
    took = (time.perf_counter() - since) * 1000
    assert result_of(client, run)["status"] == "cancelled"
    return took


def running(system: System, client: httpx.Client) -> Row:
    """What a run under way takes beside its script: keeper, bwrap and supervisor, and what the services need more."""
    before = services(system)
    runs = [execute(client, WAITING) for _ in range(default_slots())]
    for run in runs:
        next(message for message in follow(client, run) if message.event == "output")
    each = [sum(map(idle.pss, beside_the_script(f"run-{run}-1"))) for run in runs]
    more = (services(system) - before) / len(runs)
    for run in runs:
        client.post(f"/executions/{run}/cancel")
    settle(client)
    beside = f"the services need {more:.1f} MB more for each"
    return Row("memory (PSS) of a running sandbox, script apart", f"{median(each):.1f} MB", beside, aim="at most 5 MB")


def services(system: System) -> float:
    return sum(map(idle.pss, idle.processes(system).values()))


def beside_the_script(sandbox: str) -> list[int]:
    inside = members(cgroup_folders(sandbox)[0])
    parents = [int(idle.stat(pid)[1]) for pid in inside]
    keeper = next(parent for parent in parents if parent not in inside)
    return [keeper, *(pid for pid in inside if "python" not in Path(f"/proc/{pid}/comm").read_text())]
