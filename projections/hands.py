"""Doing the long work of a rebuild in this process."""

from threading import Event

from application.progress import Tell
from projections.projection import Projection
from projections.rebuild import Stopped
from projections.refolding import MOST_BYTES, Filling, Log, Refolding
from projections.verification import Stored, Verification, Verified


class Own:
    """Implements the port Hands, for some lanes or all of them."""

    def __init__(
        self,
        log: Log,
        store: Filling,
        stored: Stored,
        lanes: frozenset[int] | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._log = log
        self._store = store
        self._stored = stored
        self._lanes = frozenset(range(log.lanes)) if lanes is None else lanes
        self._most_bytes = most_bytes

    def refold(self, projection: Projection, generation: int, upto: int, stop: Event, tell: Tell) -> None:
        refolding = Refolding(self._log, self._store, projection, generation, self._lanes, self._most_bytes)
        refolding.run(upto, _stoppable(stop, tell))

    def verify(self, projection: Projection, generation: int, stop: Event, tell: Tell, *, is_full: bool) -> Verified:
        verification = Verification(self._log, self._stored, projection, generation, self._lanes)
        return verification.run(is_full=is_full, tell=_stoppable(stop, tell))


def _stoppable(stop: Event, tell: Tell) -> Tell:
    def tell_unless_stopped(done: int, total: int) -> None:
        if stop.is_set():
            raise Stopped
        tell(done, total)

    return tell_unless_stopped
