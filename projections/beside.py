"""Events replayed into a generation of a read model that stands beside the live one and is never live itself."""

from collections.abc import Mapping, Sequence

from application.outlets import Mark, Selected, TargetMisnamed, TargetRefused, TargetUnavailable
from domain.replay import Replay
from projections.generations import Generations, NotCaughtUp
from projections.projection import Projection
from projections.refolding import Filling, Log, Refolding
from projections.store import CursorLost


class Beside:
    """Implements the port Outlets."""

    def __init__(
        self, log: Log, store: Filling, generations: Generations, projections: Mapping[str, Projection]
    ) -> None:
        self._log = log
        self._store = store
        self._generations = generations
        self._projections = projections

    def check(self, name: str) -> None:
        self._known(name)

    def outlet(self, replay: Replay) -> "BesideLive":
        return BesideLive(self._log, self._store, self._generations, self._known(replay.target.name), replay)

    def discard(self, replay: Replay, mark: Mark) -> None:  # noqa: ARG002 - a generation knows who has made it
        self._generations.drop_beside(replay.target.name, replay.id)

    def _known(self, name: str) -> Projection:
        if name not in self._projections:
            names = ", ".join(sorted(self._projections))
            raise TargetMisnamed(f"There is no read model {name!r}; there are {names}.")
        return self._projections[name]


class BesideLive:
    """Implements the port Outlet. The cursors of its lanes move with its documents, so nothing is folded twice."""

    def __init__(
        self, log: Log, store: Filling, generations: Generations, projection: Projection, replay: Replay
    ) -> None:
        self._log = log
        self._store = store
        self._generations = generations
        self._projection = projection
        self._replay = replay

    def begin(self) -> None:
        """Its number is its own."""

    def open(self, mark: Mark) -> Mark:
        selection, lanes = self._replay.selection, self._log.lanes
        try:
            made = self._generations.begin_beside(self._projection, self._replay.id, selection.first - 1, lanes)
        except NotCaughtUp as race:
            raise TargetUnavailable(str(race)) from race
        if made.version != self._projection.version:
            raise TargetRefused(
                f"It was begun with version {made.version} of {self._projection.name}, and this program folds version "
                f"{self._projection.version}; replay it anew."
            )
        self._number = made.number
        self._refolding = Refolding(
            self._log, self._store, self._projection, made.number, range(lanes), is_wanted=selection.holds
        )
        return mark

    def write(self, events: Sequence[Selected], upto: int, mark: Mark) -> Mark:  # noqa: ARG002 - it reads them itself
        try:
            self._refolding.run(upto)
        except CursorLost as lost:
            raise TargetUnavailable("Somebody else folds this generation.") from lost
        return mark

    def finish(self, mark: Mark) -> str:  # noqa: ARG002
        return f"generation {self._number} of {self._projection.name}"

    def close(self) -> None:
        """All is stored."""
