"""Many runs of several people at once, a third of them cancelled at some moment: true endings, and nothing is left.

CANCELLED_RUNS says how many, `make faults` takes 500. SEED repeats what was drawn.
"""

import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID, uuid4

import httpx
import pytest

from adapters.bubblewrap.cgroups import find_cgroups
from adapters.redis.channels import output_of as output_key_of
from adapters.redis.live_output import KEPT_SECONDS
from application.frames import decode_frames, one_stream
from application.ports.sandbox import STDOUT
from domain.execution import Execution, Status
from domain.saga import Saga, saga_of
from ops.containers.workers import Workers
from tests.benchmarks.report import p50_p99
from tests.contracts.test_bubblewrap import cgroup_folders, processes
from tests.faults.checker import container_of
from tests.faults.processes import wait_until
from tests.faults.test_kill import check_everything, wait_until_read_models_are_there
from tests.journeys.conftest import execute, follow
from tests.system import System, running_on

RUNS = int(os.environ.get("CANCELLED_RUNS", "45"))
MANY = 500
PEOPLE = 4
AT_ONCE = 24
"""Runs under way or waiting; more than there are places."""
LOOK_SECONDS = 0.005


class Kind(NamedTuple):
    """A script, and how it ends when nobody cancels it."""

    script: str
    status: Status
    output: bytes
    limits: dict[str, float]


DEAF = "import os, signal, sys, time\nfor one in (1, 2, 15): signal.signal(one, signal.SIG_IGN)\n"
SHORT = {"wall_seconds": 2.0}
QUICK = (
    Kind("print('hello')", Status.SUCCEEDED, b"hello\n", {}),
    Kind("print('no')\nraise SystemExit(3)", Status.FAILED, b"no\n", {}),
    Kind("print('big')\nx = b'x' * 10**9", Status.OUT_OF_MEMORY, b"big\n", {"memory_bytes": 64 * 2**20}),
    Kind("while True: print('x' * 99)", Status.OUTPUT_LIMIT, b"", {"output_bytes": 100_000}),
)
LASTING = (
    Kind("import time\nfor i in range(4): print(i); time.sleep(0.2)", Status.SUCCEEDED, b"0\n1\n2\n3\n", {}),
    Kind(f"{DEAF}print('deaf')\nwhile True: time.sleep(1)", Status.TIMED_OUT, b"deaf\n", SHORT),
    Kind(
        f"{DEAF}print('many')\nsys.stdout.flush()\nfor _ in range(5): os.fork()\nwhile True: time.sleep(1)",
        Status.TIMED_OUT,
        b"many\n",
        SHORT,
    ),
    Kind(
        f"{DEAF}print('daemon')\nsys.stdout.flush()\nif os.fork() == 0:\n  os.setsid()\n"
        "  os.fork()\n  time.sleep(600)\ntime.sleep(0.7)",
        Status.SUCCEEDED,
        b"daemon\n",
        {},
    ),
    Kind("print('stopped')\nimport os\nos.kill(os.getpid(), 19)", Status.TIMED_OUT, b"stopped\n", SHORT),
)
MOMENTS = ("requested", "sandbox_created", "started", "")
"""The message on which a run is cancelled; at the last, a while after its start."""


class Lived(NamedTuple):
    """A run, as its owner saw it."""

    id: UUID
    kind: Kind
    cancelled_at: float | None
    """By the monotonic clock; None where nobody asked, or it had ended before."""
    status: str


class Sandboxes(NamedTuple):
    """When each run was last seen to have a cgroup, by the monotonic clock: while it has one, it may have processes."""

    seen: dict[str, float]

    def look(self, stop: threading.Event) -> None:
        parent = find_cgroups().parents[-1]
        while not stop.wait(LOOK_SECONDS):
            now = time.monotonic()
            self.seen.update((found.name[-38:-2], now) for found in parent.glob("runledger-*-run-*"))

    def gone_after(self, lived: Lived) -> float | None:
        """Milliseconds from its cancellation until it was there no more; None where it was not."""
        last = self.seen.get(str(lived.id), 0.0)
        return (last - lived.cancelled_at) * 1000 if lived.cancelled_at and last > lived.cancelled_at else None


@contextmanager
def looking() -> Iterator[Sandboxes]:
    sandboxes, stop = Sandboxes({}), threading.Event()
    thread = threading.Thread(target=sandboxes.look, args=(stop,))
    thread.start()
    yield sandboxes
    stop.set()
    thread.join()


@pytest.fixture(scope="module")
def system(tmp_path_factory) -> Iterator[System]:
    with running_on(tmp_path_factory.mktemp("cancelled") / "data") as started:
        yield started


@contextmanager
def people(system: System) -> Iterator[list[httpx.Client]]:
    clients = [system.client() for _ in range(PEOPLE)]
    for client in clients:
        body = {"username": f"{uuid4().hex}@example.org", "password": "a long pass phrase"}
        assert client.post("/auth/register", json=body).is_success
    yield clients
    for client in clients:
        client.close()


def live(client: httpx.Client, kind: Kind, moment: str | None, pause: float) -> Lived:
    """Request it, follow it to its end, and cancel it on the way where there is a moment for that."""
    run = execute(client, kind.script, limits=kind.limits)
    cancelled_at = None
    for message in follow(client, run):
        if message.event == (moment or "started") and moment is not None:
            time.sleep(0 if moment else pause)
            moment, cancelled_at = None, cancel(client, run)
    return Lived(UUID(run), kind, cancelled_at, message.data["status"])


def cancel(client: httpx.Client, run: str) -> float | None:
    at = time.monotonic()
    answer = client.post(f"/executions/{run}/cancel")
    assert answer.status_code in {202, 409}, answer.text
    return at if answer.status_code == 202 else None


def live_all(clients: Sequence[httpx.Client]) -> list[Lived]:
    """Every third is cancelled."""
    seed = int(os.environ.get("SEED", random.randrange(10**6)))
    sys.stdout.write(f"SEED={seed}\n")
    draw = random.Random(seed)
    moments = [MOMENTS[number // 3 % len(MOMENTS)] if number % 3 == 0 else None for number in range(RUNS)]
    kinds = [draw.choice(LASTING if moment in {"started", ""} else (*QUICK, *LASTING)) for moment in moments]
    owners = [clients[number % PEOPLE] for number in range(RUNS)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(live, owners, kinds, moments, [draw.random() * 2 for _ in range(RUNS)]))


def test_a_third_of_many_runs_is_cancelled_every_status_is_true_and_nothing_is_left(system):
    with looking() as sandboxes, people(system) as clients:
        lived = live_all(clients)
    parts = container_of(system)
    asked_at = [check_ending(parts, one) for one in lived]
    check_cancelled(list(zip(lived, asked_at, strict=True)))
    wait_until(lambda: is_released(parts, lived), "that every saga has ended")
    wait_until_read_models_are_there(system)
    check_everything(system, [str(one.id) for one in lived])
    check_no_trace(system, parts, lived)
    tell(lived, filter(None, asked_at), [gone for one in lived if (gone := sandboxes.gone_after(one)) is not None])


def check_cancelled(asked: Sequence[tuple[Lived, Status | None]]) -> None:
    """Whoever waits has not begun; of those that ran, some may have come to their own end meanwhile, but not most."""
    waited = [one.status for one, before in asked if before is Status.QUEUED]
    ran = [one.status for one, before in asked if before is Status.RUNNING]
    assert set(waited) == {"cancelled"}
    assert ran.count("cancelled") > len(ran) / 3


def check_ending(parts: Workers, lived: Lived) -> Status | None:
    """It is what the log says, once, and true. Returns the status that it had when it was asked to end."""
    history = parts.log().history(lived.id)
    run = parts.log().load(Execution, lived.id)
    kinds = [type(event.data) for event in history]
    assert kinds.count(Execution.Finished) == 1
    assert (lived.status, kinds[-1]) == (run.status, Execution.Finished)
    assert (lived.cancelled_at is not None) == (Execution.CancelRequested in kinds)
    said = one_stream(decode_frames(parts.seals().open(run.output)), STDOUT) if run.output else b""
    if run.status is Status.CANCELLED and lived.cancelled_at:
        assert lived.kind.output.startswith(said) or not lived.kind.output
    else:
        assert run.status is lived.kind.status, f"{run.outcome} of {lived}"
        assert said == lived.kind.output or not lived.kind.output
    return status_before(kinds) if lived.cancelled_at else None


def status_before(kinds: Sequence[type]) -> Status:
    before = kinds[: kinds.index(Execution.CancelRequested)]
    if Execution.Started in before:
        return Status.RUNNING
    return Status.STARTING if Execution.SandboxCreated in before else Status.QUEUED


def is_released(parts: Workers, lived: Sequence[Lived]) -> bool:
    """A run that never had a place has no saga."""
    sagas = [parts.log().history(saga_of(one.id)) for one in lived]
    return all(isinstance(events[-1].data, Saga.Released) for events in sagas if events)


def check_no_trace(system: System, parts: Workers, lived: Sequence[Lived]) -> None:
    """No cgroup, folder, spool, slot, uid or keeper; in Redis no more than what is about to go."""
    wait_until(lambda: processes(str(system.data / "sandboxes")) == [], "that no keeper holds a slot, a uid, a spool")
    assert [found for one in lived for found in cgroup_folders(f"run-{one.id}-1")] == []
    assert list((system.data / "sandboxes").iterdir()) == []
    assert parts.sandbox().free_slots() == parts.settings().slots
    keys = [output_key_of(one.id) for one in lived]
    assert all(0 <= parts.redis().ttl(key) <= KEPT_SECONDS for key in keys if parts.redis().exists(key))
    if RUNS >= MANY:
        wait_until(lambda: not parts.redis().exists(*keys), "that Redis has forgotten them", 2 * KEPT_SECONDS)


def tell(lived: Sequence[Lived], asked_at: Iterable[Status], gone: Sequence[float]) -> None:
    sys.stdout.write(
        f"{len(lived)} runs: {dict(Counter(one.status for one in lived))}\n"
        f"asked to end while {dict(Counter(map(str, asked_at)))}\n"
        f"cancel -> sandbox gone, {len(gone)} of them: {p50_p99(list(gone))}, most {max(gone):.0f} ms\n"
    )
