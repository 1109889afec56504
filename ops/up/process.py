"""One child of the supervisor: started, looked at, started again, ended."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
FIRST_WAIT = 0.1
LONGEST_WAIT = 10.0
STEADY_SECONDS = 30.0
LOG_BYTES = 5 * 1024 * 1024

libc = ctypes.CDLL(None, use_errno=True)


class Process:
    """A command that runs as a child, its output in a log file; without a file it writes to the terminal.

    The child is in a session of its own, so that Ctrl-C reaches the supervisor alone, and dies with the thread that
    started it, even when that is killed with SIGKILL.
    """

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path | None) -> None:
        self.name = name
        self.command = command
        self.environment = environment
        self.log = log
        self.quick_ends = 0
        self.started_at = 0.0
        self.restart_at: float | None = None
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Raises OSError when the program cannot be started."""
        self.started_at = time.monotonic()
        self.child = None
        if self.log is None:
            self.child = self._spawn(None)
            return
        rotate(self.log)
        with self.log.open("ab") as file:
            self.child = self._spawn(file)

    def _spawn(self, output: IO[bytes] | None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=partial(enter_child, os.getpid()),  # noqa: PLW1509 - the supervisor has one thread
        )

    @property
    def pid(self) -> int:
        return self.child.pid if self.child else 0

    @property
    def runs(self) -> bool:
        return self.child is not None and self.child.poll() is None

    @property
    def code(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None before that."""
        return self.child.poll() if self.child else None

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.started_at

    def keep_running(self) -> str | None:
        """Start it again once its wait is over. Says so in words when it has just ended."""
        if self.runs:
            return None
        if self.restart_at is None:
            return self.plan_restart()
        if time.monotonic() >= self.restart_at:
            self.restart_at = None
            with suppress(OSError):
                self.start()
        return None

    def plan_restart(self) -> str:
        wait = self.wait_after_end()
        self.restart_at = time.monotonic() + wait
        return f"{self.name} {self.end_in_words()}; it starts again in {wait:g} s. Its log: {self.log}"

    def wait_after_end(self) -> float:
        """Seconds to wait before the next start: twice as long each time, from the beginning after a steady run."""
        self.quick_ends = 0 if self.age >= STEADY_SECONDS else self.quick_ends + 1
        return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** max(0, self.quick_ends - 1))

    def end_in_words(self) -> str:
        if self.code is None:
            return "could not be started"
        if self.code < 0:
            return f"was ended by {signal.Signals(-self.code).name}"
        return f"ended with exit code {self.code}"

    @property
    def restart_wait(self) -> float:
        """Seconds until something is to be done about its end."""
        return max(0.0, self.restart_at - time.monotonic()) if self.restart_at else 0.0

    def nudge(self) -> None:
        """Called now and then while it is asked to end, for those that need more than the signal."""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing when it has ended."""
        if self.child:
            with suppress(ProcessLookupError):
                self.child.send_signal(number)


def enter_child(parent: int) -> None:
    """In the child, before its program: take no blocked signals along, and die with the parent."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died in between
        os._exit(1)


def rotate(log: Path) -> None:
    """Put a log that has grown large aside, as NAME.log.1; the one before is dropped."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(log.name + ".1"))
