"""Programs of these tests, as processes that are killed, stopped and started again."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0


class Program:
    """One of the modules beside this one, with its arguments."""

    def __init__(self, module: str, *arguments: str | Path) -> None:
        self._command = [sys.executable, "-m", f"tests.faults.{module}", *map(str, arguments)]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, cwd=ROOT)

    def kill(self) -> None:
        """End it by SIGKILL; harmless when it has ended."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def program(module: str, *arguments: str | Path) -> Iterator[Program]:
    started = Program(module, *arguments)
    try:
        yield started
    finally:
        started.kill()


def wait_until(condition: Callable[[], object], promise: str, patience: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"never seen: {promise}"
        time.sleep(0.02)
