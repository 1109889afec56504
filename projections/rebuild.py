"""Making a read model anew beside the live one, and going back to the one before."""

import logging
from functools import partial
from threading import Event
from typing import Protocol
from uuid import UUID

import msgspec

from application.progress import Progress, Tell
from projections.generations import Generation, Generations, NotCaughtUp
from projections.maintenance_tasks import Chore
from projections.projection import Projection
from projections.refolding import Filling, Log, Refolding
from projections.verification import NOTHING, Verified

log = logging.getLogger(__name__)

NEAR = 1_000
"""So few events are folded by whoever swaps, in the end."""


class Stopped(Exception):
    """Told to stop in the middle; started again, it goes on."""


class Refused(Exception):
    """It cannot be done; the message says why. What is live stays live."""


class Hands(Protocol):
    """Who does the long work, in as many processes as there are."""

    def refold(self, projection: Projection, generation: int, upto: int, stop: Event, tell: Tell) -> None:
        """Fold all lanes of a generation up to this position. Raises Stopped, CursorLost or LogUnavailable."""

    def verify(self, projection: Projection, generation: int, stop: Event, tell: Tell, *, is_full: bool) -> Verified:
        """Compare a generation with the log. Raises Stopped or LogUnavailable."""


class Rebuilt(msgspec.Struct, frozen=True):
    """What is live now, and what was compared."""

    generation: int
    verified: Verified


class Rebuild:
    """Of one read model, for one request. Killed at any point and run again, it goes on or begins anew."""

    def __init__(
        self,
        generations: Generations,
        store: Filling,
        log: Log,
        hands: Hands,
        progress: Progress,
        projection: Projection,
        request: UUID,
    ) -> None:
        self._generations = generations
        self._store = store
        self._log = log
        self._hands = hands
        self._progress = progress
        self._projection = projection
        self._request = request

    def run(self, stop: Event, *, is_full: bool) -> Rebuilt:
        """Raises Refused, Stopped, CursorLost when another process does the same, or LogUnavailable."""
        live = self._generations.pointer(self._projection.name).live
        if live.request == self._request:
            return Rebuilt(live.number, Verified(live.compared, live.digest))  # it was killed when all was done
        generation = self._generations.begin(self._projection, self._request, self._log.lanes)
        self._refold(generation, stop, self._telling(Chore.REBUILD))
        tell = self._telling(Chore.VERIFY)
        verified = self._hands.verify(self._projection, generation.number, stop, tell, is_full=is_full)
        if verified.findings:
            self._generations.abandon(self._projection.name)
            raise Refused(
                f"the new one is not what the log says; the first difference: {verified.findings[0].in_words}"
            )
        compared = msgspec.structs.replace(generation, compared=verified.documents, digest=verified.digest)
        self._swap(compared, stop)
        return Rebuilt(generation.number, verified)

    def roll_back(self, stop: Event) -> Rebuilt:
        """Raises as `run` does."""
        pointer = self._generations.pointer(self._projection.name)
        if pointer.live.request == self._request:
            return Rebuilt(pointer.generation, NOTHING)
        if pointer.previous is None:
            raise Refused("no earlier generation is kept")
        if pointer.previous.version != self._projection.version:
            raise Refused(
                f"the generation before was made by version {pointer.previous.version} of this read model, and this "
                f"program folds version {self._projection.version}: run the program it was made with"
            )
        back = msgspec.structs.replace(pointer.previous, request=self._request)
        self._refold(back, stop, self._telling(Chore.ROLL_BACK))
        self._swap(back, stop)
        return Rebuilt(back.number, NOTHING)

    def _telling(self, work: Chore) -> Tell:
        return partial(self._progress.tell, work.value, self._projection.name)

    def _refold(self, generation: Generation, stop: Event, tell: Tell) -> None:
        """Up to where the log ended when it was last looked at, and not far behind where it ends now."""
        while True:
            head = self._log.head()
            self._hands.refold(self._projection, generation.number, head, stop, tell)
            if self._log.head() <= head + NEAR:
                return

    def _swap(self, generation: Generation, stop: Event) -> None:
        """The live one is held for a moment, so that it cannot always be ahead."""
        lanes = range(self._log.lanes)
        refolding = Refolding(self._log, self._store, self._projection, generation.number, lanes)
        while not stop.is_set():
            refolding.run(self._log.head())
            self._generations.hold(self._projection.name)
            refolding.run(self._log.head())
            try:
                self._generations.swap(self._projection.name, generation)
            except NotCaughtUp as race:
                log.info("swapping is tried again: %s", race)
            else:
                return
        raise Stopped
