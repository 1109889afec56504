"""Some workers as a process of their own, which may kill or stop itself at a named point between two steps of a saga.

python -m tests.faults.working DATA NAME,... [SIGNAL POINT]
"""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from application.ports.sandbox import Job
from domain.execution import Execution
from domain.saga import Saga
from ops.cli.access import workers
from ops.containers.workers import Workers
from ops.loading import load
from ops.workers import run_workers

Meant = Callable[..., bool]


class Point(NamedTuple):
    """A call of a part that the worker has; it is reached the first time that the call is meant."""

    worker: str
    part: str
    method: str
    is_meant: Meant = lambda *_: True


def storing(kind: type) -> Meant:
    """The commit that holds such an event."""
    return lambda changes: any(isinstance(event, kind) for _, one in changes for event in one.pending_events)


STEPS = {
    "the place is reserved": Point("saga", "log", "save_together", storing(Execution.SandboxCreated)),
    "the sandbox is made": Point("executor", "sandbox", "start"),
    "the start is forgotten": Point("executor", "executor_tasks", "done"),
    "output is passed on": Point("monitor", "live_output", "append"),
    "the start is recorded": Point("monitor", "log", "save_together", storing(Execution.Started)),
    "the end is recorded": Point("results", "log", "save_together", storing(Execution.Finished)),
    "the sandbox is removed": Point("results", "sandbox", "remove"),
    "the place is given back": Point("saga", "log", "save_together", storing(Saga.Released)),
}
INPUT = {"input is passed on": Point("executor", "sandbox", "feed")}
"""A step of those runs alone that are given any."""
POINTS = [f"{when} {step}" for step in STEPS for when in ("before", "after")]
"""In the order in which a run comes to them."""


def worker_of(point: str) -> str:
    return STEPS[point.partition(" ")[2]].worker


def arm(container: Workers, point: str, number: int) -> None:
    """Send a signal to oneself there, once."""
    when, _, step = point.partition(" ")
    _, name, method, is_meant = {**STEPS, **INPUT}[step]
    part = getattr(container, name)()
    call, left = getattr(part, method), [number]

    def reached(*arguments: Any) -> Any:
        is_here = bool(left) and is_meant(*arguments)
        if is_here and when == "before":
            os.kill(os.getpid(), left.pop())
        answer = call(*arguments)
        if is_here and when == "after":
            os.kill(os.getpid(), left.pop())
        return answer

    setattr(part, method, reached)


def note_sandboxes(container: Workers, data: Path) -> None:
    """Write down every sandbox that is there after a start: each has a lock of its own."""
    sandbox = container.sandbox()
    start = sandbox.start

    def noted(job: Job) -> None:
        start(job)
        with suppress(FileNotFoundError), (data / "made").open("a") as notes:
            lock = (data / "sandboxes" / job.sandbox / "lock").stat()
            notes.write(f"{job.sandbox} {lock.st_ino} {lock.st_mtime_ns}\n")

    sandbox.start = noted


def made(data: Path, name: str) -> int:
    """How many sandboxes of this name there were."""
    notes = (data / "made").read_text().splitlines() if (data / "made").exists() else []
    return len({note for note in notes if note.startswith(name)})


def main(data: str, names: str, number: str = "", point: str = "") -> None:
    container = workers(load({"RUNLEDGER_DATA": data}))
    note_sandboxes(container, Path(data))
    if point:
        arm(container, point, signal.Signals[number])
    run_workers(names.split(","), container)


if __name__ == "__main__":
    main(*sys.argv[1:])
