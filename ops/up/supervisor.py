"""Keeps processes running: starts them again when they end, and ends all of them when it is told to."""

import signal
import time
from collections.abc import Callable, Collection, Sequence
from types import TracebackType
from typing import NoReturn, Self

from ops.up.process import Process

ENDS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
SIGNALS = {signal.SIGCHLD, *ENDS}
LOOK_AGAIN = 0.05
"""Seconds between two looks while something is about to change."""
IDLE_SECONDS = 3600.0
GROUP_SECONDS = 3.0
"""How long a group has to end before it is killed."""
STOP_SECONDS = 3.5
"""How long all groups have together, so that all is over within 5 s."""


class StopAsked(Exception):
    """Ctrl-C, or a signal that means the same."""


class Supervisor:
    """Holds groups of processes; they end in the reverse order of the groups.

    One thread that sleeps in `sigtimedwait` until a child ends, a signal comes or a wait is over: idle, it costs
    nothing. It must stay one thread, for children die with the thread that started them.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.groups: list[Sequence[Process]] = []

    def __enter__(self) -> Self:
        self.mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)

    @property
    def processes(self) -> list[Process]:
        return [process for group in self.groups for process in group]

    def start(self, group: Sequence[Process]) -> None:
        """Start a group that needs those before it."""
        self.groups.append(group)
        for process in group:
            process.start()

    def run(self, process: Process, seconds: float) -> int | None:
        """Run a process to its end, which comes early when it takes too long. Its exit code. Raises StopAsked."""
        self.start([process])
        self.until(lambda: not process.runs, seconds)
        end(self.groups.pop(), time.monotonic())
        return process.code

    def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for the condition without starting anything again. Raises StopAsked."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            sleep(LOOK_AGAIN)
        return True

    def watch(self, look: Callable[[], float]) -> NoReturn:
        """Keep all processes running. `look` is asked after each change and says when to ask it again.

        Raises StopAsked.
        """
        while True:
            self.keep_running()
            sleep(min(look(), self.next_restart()))

    def keep_running(self) -> None:
        for process in self.processes:
            if news := process.keep_running():
                self.say(news)

    def next_restart(self) -> float:
        return min((process.restart_wait for process in self.processes if not process.runs), default=IDLE_SECONDS)

    def stop(self) -> None:
        """End all processes: the last group first, with SIGTERM; with SIGKILL what does not end in time."""
        deadline = time.monotonic() + STOP_SECONDS
        while self.groups:
            last = self.groups.pop()
            end(last, min(deadline, time.monotonic() + GROUP_SECONDS))


def end(group: Collection[Process], deadline: float) -> None:
    for process in group:
        process.signal(signal.SIGTERM)
    while any(process.runs for process in group):
        if time.monotonic() > deadline:
            kill(group)
        nudge(group)
        signal.sigtimedwait({signal.SIGCHLD}, LOOK_AGAIN)


def kill(group: Collection[Process]) -> None:
    for process in group:
        process.signal(signal.SIGKILL)


def nudge(group: Collection[Process]) -> None:
    for process in group:
        if process.runs:
            process.nudge()


def sleep(seconds: float) -> None:
    """Sleep until a child ends or the time is over. Raises StopAsked."""
    received = signal.sigtimedwait(SIGNALS, seconds)
    if received and received.si_signo in ENDS:
        raise StopAsked
