"""What a document of a read model was at a position of the log."""

from collections.abc import Iterable, Iterator
from typing import Any

from application.ports.log import Recorded
from projections.folding import Folding
from projections.projection import DocumentId, Projection
from projections.refolding import Log
from projections.verification import Stored


class Past:
    """Folds one document up to there."""

    def __init__(self, log: Log, stored: Stored) -> None:
        self._log = log
        self._stored = stored

    def document(self, projection: Projection, generation: int, id: DocumentId, upto: int) -> dict[str, Any] | None:
        """As the store would have kept it; None where there was none. Raises LogUnavailable.

        What is parked or discarded now was not in it then.
        """
        return self._document(projection, id, upto, self._stored.skipped(projection.name, generation))

    def folded(self, projection: Projection, id: DocumentId, upto: int) -> dict[str, Any] | None:
        """As `document`, whatever is parked or discarded."""
        return self._document(projection, id, upto, frozenset())

    def _document(
        self, projection: Projection, id: DocumentId, upto: int, skipped: frozenset[int]
    ) -> dict[str, Any] | None:
        folding = Folding(projection, discarded=skipped, is_wanted=lambda other: other == id)
        folding.take_all(self._events(projection, id, upto))
        change = folding.changes.get(id)
        return self._stored.decoded(self._stored.canonical(change.document)) if change else None

    def _events(self, projection: Projection, id: DocumentId, upto: int) -> Iterable[Recorded]:
        if projection.is_by_stream and not isinstance(id, str):
            return (event for event in self._log.stream(id) if event.position <= upto)
        return self._all(upto)

    def _all(self, upto: int) -> Iterator[Recorded]:
        for page in self._log.scan(frozenset(range(self._log.lanes)), 0, upto):
            yield from page.events
