"""Compares the sandboxes there are with those there should be, and mends both sides."""

import logging
from collections.abc import Mapping
from threading import Event
from uuid import UUID, uuid4

from application.handler import change
from application.ports.log import Context, EventLog, StreamNotFound, UnreadableEvent
from application.ports.sandbox import Sandbox, SandboxUnreachable
from application.ports.surroundings import Clock
from application.ports.work import Starts, TaskKind, UnfinishedRuns
from application.watch import ACTOR
from domain.execution import Execution, ExecutionEnded, Outcome, Status

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 30.0


def is_wanted(log: EventLog, sandbox: str) -> bool:
    """Whether an open run has this sandbox. One that cannot be read now may be wanted by somebody who can."""
    try:
        run = log.load(Execution, UUID(sandbox.removeprefix("run-").rpartition("-")[0]))
    except StreamNotFound:
        return False
    except UnreadableEvent:
        return True
    return not run.status.is_final and run.sandbox == sandbox


class Reconciler:
    """A sandbox that nobody wants is removed; a run whose sandbox has vanished ends as lost."""

    def __init__(self, log: EventLog, clock: Clock, runs: UnfinishedRuns, starts: Starts, sandbox: Sandbox) -> None:
        self._log = log
        self._clock = clock
        self._runs = runs
        self._starts = starts
        self._sandbox = sandbox

    def run(self, stop: Event) -> None:
        """At start and every 30 s."""
        while not stop.is_set():
            try:
                self.remove_unwanted()
                self.end_lost()
            except SandboxUnreachable as problem:
                log.warning("nothing is compared: %s", problem)
            stop.wait(INTERVAL_SECONDS)

    def remove_unwanted(self) -> None:
        """The sandboxes first, then the log: what was started in between is not even looked at."""
        for name in self._sandbox.list():
            if not is_wanted(self._log, name):
                log.warning("removing sandbox %s, which no open run wants", name)
                self._sandbox.remove(name)

    def end_lost(self) -> None:
        """The open runs first, then the starts still to come, then the sandboxes.

        A run in the first that is in neither of the others had its sandbox and has it no more, if the starts were made
        up to its own.
        """
        loaded = map(self._load, self._runs.unfinished())
        open_runs = [run for run in loaded if run and run.sandbox and not run.status.is_final]
        reached = self._starts.reached()
        to_come = {task.execution for task in self._starts.pending() if task.kind is TaskKind.START}
        there = set(self._sandbox.list())
        for run in open_runs:
            if run.id not in to_come and run.sandbox not in there and self._is_told(run.id, reached):
                self._end(run.id)

    def _is_told(self, execution: UUID, reached: Mapping[int, int]) -> bool:
        """The executors have been told to start it: they may be behind the log."""
        history = self._log.history(execution)
        created = next(event for event in history if isinstance(event.data, Execution.SandboxCreated))
        return reached.get(created.lane, 0) >= created.position

    def _end(self, execution: UUID) -> None:
        context = Context(ACTOR, self._clock.now(), uuid4())
        outcome = Outcome(Status.LOST, "its sandbox vanished before it told how the run ended")
        try:
            change(self._log, context, Execution, execution, lambda run: run.finish(outcome, None, context.at))
        except ExecutionEnded:
            log.info("run %s had ended already", execution)
        else:
            log.warning("run %s has lost its sandbox", execution)

    def _load(self, execution: UUID) -> Execution | None:
        try:
            return self._log.load(Execution, execution)
        except (StreamNotFound, UnreadableEvent):
            return None
