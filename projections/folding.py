"""Folding events of one lane, in order, without ever stopping at one that cannot be folded."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from uuid import UUID

from application.ports.log import Recorded, Unreadable, UnreadableEvent
from projections.changes import Changes, merge
from projections.letters import Letter, Trouble, letter
from projections.projection import DocumentId, Notice, Projection, Step

Refused = Mapping[DocumentId, Trouble]
"""Documents that the store does not take, and why."""


class Folding:
    """What some events make of a read model. An event that fails is parked, and with it the rest of its stream.

    So is one that would change a document which the store refuses. `announce` makes the notices, where they are wanted;
    `is_wanted` says which documents are, where not all of them.
    """

    def __init__(
        self,
        projection: Projection,
        parked: frozenset[UUID] = frozenset(),
        discarded: Container[int] = frozenset(),
        refused: Refused | None = None,
        announce: Callable[[Recorded], Iterable[Notice]] | None = None,
        is_wanted: Callable[[DocumentId], bool] | None = None,
    ) -> None:
        self._fold = projection.fold
        self._announce = announce
        self._is_wanted = is_wanted
        self._discarded = discarded
        self._refused = refused or {}
        self.parked = set(parked)
        """Streams that wait."""
        self.changes: Changes = {}
        self.letters: list[Letter] = []
        self.notices: list[Notice] = []

    def take_all(self, events: Iterable[Recorded]) -> "Folding":
        for event in events:
            self.take(event)
        return self

    def take(self, event: Recorded) -> None:
        if event.position in self._discarded:
            return
        if self.parked and event.stream in self.parked:  # an id is hashed slowly
            self.letters.append(letter(event))
            return
        try:
            steps = self._steps(event)
            notices = list(self._announce(event)) if self._announce else ()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it concerns this stream alone
            self._park(event, Trouble.of(error))
            return
        if self._refused and (refusal := self._refusal(steps)):
            self._park(event, refusal)
            return
        if self._is_wanted:
            steps = [step for step in steps if self._is_wanted(step.id)]
        merge(self.changes, steps, event)
        self.notices += notices

    def _refusal(self, steps: Sequence[Step]) -> Trouble | None:
        return next((self._refused[step.id] for step in steps if step.id in self._refused), None)

    def _steps(self, event: Recorded) -> list[Step]:
        if isinstance(event.data, Unreadable):
            raise UnreadableEvent(event.data.reason)
        return list(self._fold(event))

    def _park(self, event: Recorded, trouble: Trouble) -> None:
        self.parked.add(event.stream)
        self.letters.append(letter(event, trouble))
