"""Live output in fewer, larger pieces: the first frame at once, the following ones every 50 ms or 16 KB."""

import time
from collections.abc import Callable, Sequence
from threading import Event, Lock

from application.ports.sandbox import Output

WAIT_SECONDS = 0.05
SIZE_BYTES = 16 * 1024


class Coalescer:
    """Gathers the frames of one run and hands them to `write`."""

    def __init__(self, write: Callable[[Sequence[Output]], None], buffered: Event) -> None:
        self._write = write
        self._buffered = buffered
        self._frames: list[Output] = []
        self._size = 0
        self._written_at = 0.0
        self._lock = Lock()

    def add(self, frame: Output) -> None:
        with self._lock:
            self._frames.append(frame)
            self._size += len(frame.data)
            if self._size >= SIZE_BYTES or time.monotonic() - self._written_at >= WAIT_SECONDS:
                self._flush()
            else:
                self._buffered.set()

    def flush(self) -> None:
        """Hand over what is waiting."""
        with self._lock:
            if self._frames:
                self._flush()

    def _flush(self) -> None:
        frames, self._frames, self._size = self._frames, [], 0
        self._written_at = time.monotonic()
        self._write(frames)
