"""The long work of a rebuild in processes of its own, so that it holds up no live projection and uses every core."""

import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import msgspec

from application.ports.log import LogDamaged, LogUnavailable
from application.progress import Tell
from projections.hands import Own
from projections.projection import Projection
from projections.rebuild import Stopped
from projections.store import CursorLost
from projections.verification import NOTHING, Verified

FEW = 20_000
"""So few positions are done in this process, before others have started."""
LOOK_EVERY_SECONDS = 0.2
TRIES = 20
"""How often a process that was killed is begun again, before whoever asked is told; he asks again."""
CURSOR_LOST, UNAVAILABLE, DAMAGED = 3, 4, 5
"""Exit codes of a share."""


class Share(msgspec.Struct, frozen=True):
    """What one process does: some lanes of one generation."""

    projection: str
    generation: int
    lanes: frozenset[int]
    upto: int = 0
    is_full: bool = False


class Processes:
    """Implements the port Hands. A share that is killed is begun again, and goes on from its cursors."""

    def __init__(self, own: Own, head: Callable[[], int], lanes: int, number: int) -> None:
        self._own = own
        self._head = head
        self._lanes = lanes
        self._number = min(number, lanes)

    def refold(self, projection: Projection, generation: int, upto: int, stop: Event, tell: Tell) -> None:
        if self._head() < FEW:
            self._own.refold(projection, generation, upto, stop, tell)
            return
        shares = [Share(projection.name, generation, lanes, upto) for lanes in self._shares()]
        self._all("refold", shares, stop, tell)

    def verify(self, projection: Projection, generation: int, stop: Event, tell: Tell, *, is_full: bool) -> Verified:
        if self._head() < FEW:
            return self._own.verify(projection, generation, stop, tell, is_full=is_full)
        shares = [Share(projection.name, generation, lanes, is_full=is_full) for lanes in self._shares()]
        answers = self._all("verify", shares, stop, tell)
        return sum((msgspec.json.decode(answer, type=Verified) for answer in answers), start=NOTHING)

    def _shares(self) -> list[frozenset[int]]:
        return [frozenset(range(first, self._lanes, self._number)) for first in range(self._number)]

    def _all(self, what: str, shares: Sequence[Share], stop: Event, tell: Tell) -> list[bytes]:
        """The last line that each process prints; all others say how far it is. Told is of the one that is behind."""
        reached = [(0, 1)] * len(shares)

        def run(number: int) -> bytes:
            def tell_of_one(line: bytes) -> None:
                done, total = map(int, line.split())
                reached[number] = (done, total)
                tell(*min(reached, key=_part_done))

            return _run(what, shares[number], stop, tell_of_one)

        with ThreadPoolExecutor(len(shares), "share") as pool:
            return list(pool.map(run, range(len(shares))))


def _run(what: str, share: Share, stop: Event, tell: Callable[[bytes], None]) -> bytes:
    """Raises Stopped, CursorLost, LogDamaged or LogUnavailable."""
    command = [sys.executable, "-P", "-m", "ops.share", what, msgspec.json.encode(share).decode()]
    for _ in range(TRIES):
        code, last = _end_of(command, stop, tell)
        match code:
            case 0:
                return last
            case _ if stop.is_set():
                raise Stopped
            case _ if code == CURSOR_LOST:
                raise CursorLost
            case _ if code == DAMAGED:
                raise LogDamaged(*map(int, last.split()))
            case _ if code < 0:
                continue  # killed from outside
            case _:
                break
    raise LogUnavailable(f"a process that should {what} {share.projection} ended with code {code}")


def _part_done(reached: tuple[int, int]) -> float:
    done, total = reached
    return done / total if total else 1.0


def _end_of(command: Sequence[str], stop: Event, tell: Callable[[bytes], None]) -> tuple[int, bytes]:
    """Exit code and last line. Its stdin ends with this process, and it ends with its stdin."""
    stdin, held = os.pipe()
    process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE)
    os.close(stdin)
    try:
        last = b""
        for line in _lines(process, stop):
            if last:
                tell(last)
            last = line
        return process.wait(), last
    finally:
        os.close(held)
        process.kill()
        process.wait()


def _lines(process: subprocess.Popen[bytes], stop: Event) -> Iterator[bytes]:
    """As they come; none any more once it is time to stop."""
    stdout, begun = process.stdout.fileno() if process.stdout else -1, b""
    while not stop.is_set():
        if not select.select([stdout], [], [], LOOK_EVERY_SECONDS)[0]:
            continue
        if not (read := os.read(stdout, 65_536)):
            return
        *lines, begun = (begun + read).split(b"\n")
        yield from lines
    process.kill()
