"""Starts and stops sandboxes and gives them input, as the tasks made from events say."""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from threading import Event
from uuid import UUID

from application import environment
from application.backlog import Backlog
from application.feeding import Feeding
from application.handler import change, following
from application.orchestrator import sandbox_of
from application.ports.log import Context, EventLog, LogUnavailable
from application.ports.sandbox import (
    Job,
    NoCapacity,
    Runtimes,
    Sandbox,
    SandboxNotFound,
    SandboxUnavailable,
    SandboxUnreachable,
)
from application.ports.seals import ContentUnreadable, Erased, Seals
from application.ports.surroundings import Clock
from application.ports.work import Task, TaskKind
from domain.execution import Execution, ExecutionEnded, Outcome, Status

log = logging.getLogger(__name__)

ACTOR = "worker:executor"
IDLE_SECONDS = 1.0
AT_ONCE = {TaskKind.START: 4, TaskKind.FEED: 4, TaskKind.STOP: 8, TaskKind.REMOVE: 1}
"""Most of them is waiting: for the log, the kernel or a cluster. Commits made at once are stored together."""
IN_VAIN_SECONDS = 200.0
"""A start that waits or fails for so long is tried a last time, and given up for a reason: its saga would know none."""
LIST_EVERY_SECONDS = 5.0
"""While there is no free slot."""
SLOT_SECONDS = 0.01
"""How soon a full machine is looked at again: a sandbox ends without telling the executor."""


class Executor:
    """Works off its backlog. Every task may be done twice without harm."""

    def __init__(
        self, log: EventLog, seals: Seals, clock: Clock, backlog: Backlog[Task], sandbox: Sandbox, runtimes: Runtimes
    ) -> None:
        self._log = log
        self._seals = seals
        self._clock = clock
        self._backlog = backlog
        self._sandbox = sandbox
        self._runtimes = runtimes
        self._feeding = Feeding(log, seals, sandbox)
        self._under_way: dict[TaskKind, set[UUID]] = {kind: set() for kind in TaskKind}
        self._handed_over: set[UUID] = set()
        self._in_vain_since: dict[UUID, float] = {}
        self._listed: set[str] = set()
        self._listed_at = float("-inf")

    def take(self, tasks: Sequence[Task]) -> None:
        """These starts were decided on in this process just now; their events come by later."""
        self._handed_over |= {task.id for task in tasks}
        self._backlog.offer(tasks)

    def run(self, stop: Event) -> None:
        """Work until told to stop."""
        with ExitStack() as stack:
            threads = {kind: stack.enter_context(ThreadPoolExecutor(most, kind)) for kind, most in AT_ONCE.items()}
            while not stop.is_set():
                is_full = self._work_off(threads)
                self._backlog.wait(SLOT_SECONDS if is_full else IDLE_SECONDS)

    def _work_off(self, threads: Mapping[TaskKind, ThreadPoolExecutor]) -> bool:
        """Do what can be done now, the oldest first. Returns whether starts are waiting for a free slot."""
        held: set[UUID] = set()
        starting, feeding = self._under_way[TaskKind.START], self._under_way[TaskKind.FEED]
        for task in self._backlog.waiting():
            if task.kind is TaskKind.START and self._has_to_wait(task, held):
                held.add(task.execution)
            elif task.execution in held or task.execution in starting:
                continue  # stopping or feeding what is yet to be started would do nothing
            elif task.kind is TaskKind.FEED and (task.execution in feeding or len(feeding) >= AT_ONCE[TaskKind.FEED]):
                continue
            else:
                self._begin(task, threads[task.kind])
        return bool(held)

    def _has_to_wait(self, task: Task, held: Collection[UUID]) -> bool:
        is_full = bool(held) or self._sandbox.free_slots() <= len(self._under_way[TaskKind.START])
        return is_full and not self._is_there(task.execution) and not self._is_in_vain(task.execution)

    def _is_there(self, execution: UUID) -> bool:
        """Started by a worker that died before it forgot the task: it has its slot, and may need a stop or input."""
        if time.monotonic() - self._listed_at > LIST_EVERY_SECONDS:
            self._listed_at = time.monotonic()
            with suppress(SandboxUnreachable):
                self._listed = set(self._sandbox.list())
        return sandbox_of(execution) in self._listed

    def _is_in_vain(self, execution: UUID) -> bool:
        now = time.monotonic()
        return now - self._in_vain_since.setdefault(execution, now) >= IN_VAIN_SECONDS

    def _begin(self, task: Task, threads: ThreadPoolExecutor) -> None:
        """In a thread of its kind, so that what takes its time holds up nothing else."""
        self._backlog.begin(task)
        self._under_way[task.kind].add(task.execution)
        threads.submit(self._do, task)

    def _do(self, task: Task) -> None:
        try:
            self._obey(task)
            self._note_done(task)
        except ExecutionEnded:
            log.info("run %s had ended already", task.execution)
            self._note_done(task)
        except NoCapacity:
            self._backlog.give_back(task)
            self._backlog.offer([task])
        except (LogUnavailable, SandboxUnreachable, SandboxNotFound) as problem:
            log.warning("task %s of run %s is tried again: %s", task.kind, task.execution, problem)
            self._backlog.give_back(task)
        except Exception:
            log.exception("task %s of run %s failed; it is tried again", task.kind, task.execution)
            self._backlog.give_back(task)
        finally:
            self._under_way[task.kind].discard(task.execution)
            self._backlog.wake()

    def _obey(self, task: Task) -> None:
        match task.kind:
            case TaskKind.START:
                self._start(task)
            case TaskKind.FEED:
                self._feeding.feed(task)
            case TaskKind.STOP:
                self._sandbox.stop(sandbox_of(task.execution))
            case TaskKind.REMOVE:
                self._sandbox.remove(sandbox_of(task.execution))

    def _note_done(self, task: Task) -> None:
        self._backlog.done(task)
        self._in_vain_since.pop(task.execution, None)

    def _start(self, task: Task) -> None:
        context = self._context(task)
        run = self._run(task)
        if run.status.is_final or run.sandbox is None:  # a task of an earlier version: nobody has given it a place yet
            return
        if outcome := self._tried(run, run.sandbox):
            self._end(context, run, outcome)

    def _tried(self, run: Execution, sandbox: str) -> Outcome | None:
        """Starts it. Returns how the run ends where that cannot be, or need not."""
        try:
            # One that is there was started by a worker that died: its stop comes next, and it tells how it ended.
            if run.is_cancel_requested and sandbox not in self._sandbox.list():
                return Outcome(Status.CANCELLED, "cancelled before it started")
            self._sandbox.start(self._job(run, sandbox))
        except LogUnavailable:
            raise
        except (NoCapacity, SandboxUnreachable) as problem:
            if not self._is_in_vain(run.id):
                raise
            return _not_started(str(problem) or str(problem.__doc__))
        except (SandboxUnavailable, Erased, ContentUnreadable) as problem:
            return _not_started(str(problem) or str(problem.__doc__))
        except Exception as problem:
            log.exception("run %s cannot be started", run.id)
            return _not_started(f"{type(problem).__name__}: {problem}")
        return None

    def _run(self, task: Task) -> Execution:
        """From memory only where it was decided on here just now: a run that has ended is never started again."""
        if task.id in self._handed_over:
            self._handed_over.discard(task.id)
            return self._log.recall(Execution, task.execution)
        return self._log.load(Execution, task.execution)

    def _end(self, context: Context, run: Execution, outcome: Outcome) -> None:
        change(self._log, context, Execution, run.id, lambda run: run.finish(outcome, None, context.at))

    def _job(self, run: Execution, name: str) -> Job:
        runtime = self._runtimes.find(run.language, run.language_version)
        if runtime is None:
            raise SandboxUnavailable(f"{run.language} {run.language_version} is not installed here any more")
        stdin, is_open = self._feeding.at_start(run)
        return Job(
            sandbox=name,
            runtime=runtime,
            script=self._seals.open(run.script),
            stdin=stdin,
            stdin_open=is_open,
            limits=run.limits,
            environment=environment.decode(self._seals.open(run.environment)) if run.environment else {},
            network=run.network,
        )

    def _context(self, task: Task) -> Context:
        return following(ACTOR, task, self._clock.now())


def _not_started(why: str) -> Outcome:
    return Outcome(Status.INTERNAL_ERROR, f"no sandbox could be started: {why}")
