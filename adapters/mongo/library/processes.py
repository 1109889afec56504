"""The `eventsourcing` library's process recorder: events, and how far another application was followed for them."""

from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import ProcessRecorder, StoredEvent, Tracking

from adapters.mongo.commits.commits import Mark, collection
from adapters.mongo.library.recorders import MongoApplicationRecorder
from adapters.mongo.library.trail import Trail
from adapters.mongo.log.journal import Journal


class MongoProcessRecorder(MongoApplicationRecorder, ProcessRecorder):
    """Stored events by stream and by position, and tracking that is stored with them, all or nothing."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self._trail = Trail(collection(journal.database))

    def insert_events(
        self, stored_events: Sequence[StoredEvent], *, tracking: Tracking | None = None, **_kwargs: Any
    ) -> Sequence[int] | None:
        if tracking is None:
            return self._append(stored_events)
        return self._trail.follow(tracking, lambda mark: self._store(stored_events, mark))

    def _store(self, stored_events: Sequence[StoredEvent], mark: Mark) -> Sequence[int] | None:
        if stored_events:
            return self._append(stored_events, [mark])
        self._trail.take(mark)
        return None

    def insert_tracking(self, tracking: Tracking) -> None:
        self.insert_events([], tracking=tracking)

    def max_tracking_id(self, application_name: str) -> int | None:
        last = self._trail.end(application_name)
        return last.notification if last else None
