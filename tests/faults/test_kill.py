"""kill -9 of every process, one after another, while runs are under way."""

import json
import os
import signal
import time
from contextlib import closing

import httpx
import pytest

from adapters.kafka.progress import ROLE as RELAY
from adapters.mongo import leases
from adapters.mongo.connection import Place
from adapters.mongo.leases import TERM_SECONDS
from tests.faults import checker
from tests.faults.processes import wait_until
from tests.journeys.conftest import execute, follow, result_of
from tests.system import System, processes_of, running_on

SCRIPT = "import time\nfor i in range(30):\n    print('step', i, flush=True)\n    time.sleep(0.1)\n"
RUNS = 30
HELLO = "print('hello')"
READY_SECONDS = 40.0
TRIES = 3
RELAYING = {"relay", "worker"}


@pytest.fixture(scope="module", params=["together", "split"])
def system(request, tmp_path_factory):
    options = ["--split"] if request.param == "split" else []
    with running_on(tmp_path_factory.mktemp(request.param) / "data", *options) as started:
        yield started


def kill(system: System, name: str) -> None:
    os.kill(system.running.processes[name], signal.SIGKILL)


def wait_until_ready(system: System, changed: str, old: int) -> None:
    """Until the supervisor has started it again and everything answers."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if system.running.processes.get(changed) not in {old, 0, None} and system.is_ready:
            return
        time.sleep(0.1)
    raise AssertionError(f"not ready again after the end of {changed}: {system.said.read_text()}")


def request_runs(system: System, count: int) -> list[str]:
    """Those that were acknowledged."""
    client = system.log_in()
    accepted = []
    for _ in range(count):
        try:
            answer = client.post("/execute", json={"language": "python", "script": SCRIPT})
        except httpx.HTTPError:
            continue
        if answer.status_code == 202:
            accepted.append(answer.json()["execution_id"])
    return accepted


def test_a_run_that_is_cancelled_while_its_worker_is_dead_was_running(system: System):
    """The start is not forgotten yet, so the next worker does it again."""
    name = "executor" if "executor" in system.running.processes else "worker"
    old = system.running.processes[name]
    with closing(system.log_in()) as client:
        run = execute(client, SCRIPT.replace("30", "300"))
        next(message for message in follow(client, run) if message.event == "output")
        kill(system, name)
        assert client.post(f"/executions/{run}/cancel").status_code == 202
        wait_until_ready(system, name, old)
        result = result_of_patiently(client, run)
        assert (result["status"], result["reason"]) == ("cancelled", "it was cancelled")
        assert client.get(f"/executions/{run}/output/stdout").text.startswith("step 0\n")
    assert processes_of(run) == []


def test_nobody_waits_until_a_killed_worker_is_missed(system: System):
    """Not for the term of its roles, nor for as long by its consumer group: its successor sees that it is gone.

    One of some tries is enough, for on a busy machine a process may take that long to start.
    """
    names = [name for name in ("relay", "projections", "executor", "worker") if name in system.running.processes]
    with closing(system.log_in()) as client:
        for name in names:
            assert any(is_quick_without(system, client, name) for _ in range(TRIES)), name


def is_quick_without(system: System, client: httpx.Client, name: str) -> bool:
    """Whether a run that takes so long as a rule takes less than a term more while its worker starts again."""
    since = time.monotonic()
    result_of(client, execute(client, HELLO))
    as_a_rule = time.monotonic() - since
    return seconds_without(system, client, name) < as_a_rule + TERM_SECONDS


def seconds_without(system: System, client: httpx.Client, name: str) -> float:
    """From its end until a run that was requested then is in the read models with its end, and a relay is active."""
    database, old = checker.container_of(system).database(), system.running.processes[name]
    relays = relays_so_far(database)
    kill(system, name)
    since = time.monotonic()
    run = execute(client, HELLO)
    result_of_patiently(client, run)
    wait_until(lambda: is_listed(client, run), "its end in the read models")
    if name in RELAYING:
        wait_until(lambda: relays_so_far(database) > relays, "another relay")
    seconds = time.monotonic() - since
    wait_until_ready(system, name, old)
    return seconds


def relays_so_far(database: Place) -> int:
    seen = leases.look(database, RELAY)
    assert seen
    return seen.epoch


def is_listed(client: httpx.Client, run: str) -> bool:
    last = client.get("/executions", params={"limit": 1}).json()["items"][0]
    return (last["id"], last["status"]) == (run, "succeeded")


def test_kill_9_of_each_process_with_runs_under_way_loses_nothing(system: System):
    names = [name for name in system.running.processes if name != "init"]
    acknowledged = request_runs(system, RUNS)
    assert len(acknowledged) == RUNS
    for name in names:
        old = system.running.processes[name]
        kill(system, name)
        acknowledged += request_runs_while_restarting(system)
        wait_until_ready(system, name, old)
    client = system.log_in()
    for run in acknowledged:
        assert result_of_patiently(client, run)["status"] == "succeeded"
    wait_until(lambda: checker.held(checker.container_of(system).log()) == {}, "that all places are free")
    wait_until_read_models_are_there(system)
    check_everything(system, acknowledged)


def request_runs_while_restarting(system: System) -> list[str]:
    try:
        return request_runs(system, 1)
    except (AssertionError, httpx.HTTPError):
        return []  # the login itself did not get through


def result_of_patiently(client: httpx.Client, run: str) -> dict:
    """The stream may break; whoever comes back gets the rest."""
    for _ in range(20):
        try:
            return result_of(client, run)
        except httpx.HTTPError:
            time.sleep(0.5)
    raise AssertionError(f"run {run} never told its result")


def wait_until_read_models_are_there(system: System) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while any(p["lag"] for p in json.loads(system.cli("status", "--json").stdout)["projections"]):
        assert time.monotonic() < deadline, "projections are behind"
        time.sleep(0.2)


def check_everything(system: System, acknowledged: list[str]) -> None:
    container = checker.container_of(system)
    events = checker.read_all(container.log())
    checker.check_log(container.database())
    checker.check_ledger(container)
    checker.check_runs(events, acknowledged)
    checker.check_read_models(container, events)
    checker.check_nothing_left(system, container)
    assert processes_of(*acknowledged) == []
