"""The `eventsourcing` library's recorders over the log's one collection. Stream ids are UUIDs."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    DataError,
    ListenNotifySubscription,
    Notification,
    ProgrammingError,
    StoredEvent,
)

from adapters.mongo.commits.commits import Line, Mark
from adapters.mongo.connection import operational
from adapters.mongo.log.journal import Journal


class MongoAggregateRecorder(AggregateRecorder):
    """Stored events by stream."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def insert_events(self, stored_events: Sequence[StoredEvent], **_kwargs: Any) -> Sequence[int] | None:
        self._append(stored_events)
        return None

    def _append(self, stored_events: Sequence[StoredEvent], marks: Sequence[Mark] = ()) -> Sequence[int] | None:
        if not stored_events:
            return None
        try:
            first = self._journal.append([self._line(event) for event in stored_events], marks)
        except ValueError as error:
            raise DataError(f"{error}: save fewer aggregates, or fewer changes of one, at a time") from error
        return list(range(first, first + len(stored_events)))

    def _line(self, event: StoredEvent) -> Line:
        stream = _stream(event.originator_id)
        return Line(stream, event.originator_version, event.topic, self._journal.lane_of(stream), event.state)

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        with operational():
            lines = self._lines(_stream(originator_id), gt)
        selected = [
            StoredEvent(line.stream, line.version, line.type, line.data)
            for line in lines
            if (gt is None or line.version > gt) and (lte is None or line.version <= lte)
        ]
        return (selected[::-1] if desc else selected)[:limit]

    def _lines(self, stream: UUID, gt: int | None) -> Sequence[Line]:
        """At least those behind `gt`; the library numbers a stream's events without a gap."""
        reading = self._journal.reading
        return reading.newer(stream, gt) if gt is not None and gt > 0 else reading.of_stream(stream)


class MongoSnapshotRecorder(MongoAggregateRecorder):
    """Snapshots by stream; each has the version of its aggregate, so there are gaps between them."""

    def _lines(self, stream: UUID, gt: int | None) -> Sequence[Line]:  # noqa: ARG002 - no gap can be skipped
        return self._journal.reading.of_stream(stream)


class MongoApplicationRecorder(MongoAggregateRecorder, ApplicationRecorder):
    """Stored events by stream and by position."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **_kwargs: Any) -> Sequence[int] | None:
        return self._append(stored_events)

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        after = max((start or 0) - inclusive_of_start, 0)
        selected: list[Notification] = []
        while len(selected) < limit:
            page = self._page(after, limit)
            selected += (one for one in page if _is_selected(one, stop, topics))
            if len(page) < limit or (stop is not None and page[-1].id >= stop):
                break
            after = page[-1].id
        return selected[:limit]

    def _page(self, after: int, limit: int) -> Sequence[Notification]:
        with operational():
            placed = self._journal.reading.after(after, limit)
        return [Notification(line.stream, line.version, line.type, line.data, position) for position, line in placed]

    def max_notification_id(self) -> int | None:
        with operational():
            return self._journal.head.find() or None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> "MongoSubscription":
        return MongoSubscription(self, gt, topics)

    def wait_for_growth(self, heard: int) -> int:
        """Wait until the log may have grown; see Bell."""
        return self._journal.bell.wait(heard, timeout=1.0)

    def wake(self) -> None:
        """Let all who wait for growth look around."""
        self._journal.bell.wake()


class MongoSubscription(ListenNotifySubscription[MongoApplicationRecorder]):
    """Notifications as they come."""

    def stop(self) -> None:
        super().stop()
        self._recorder.wake()

    def _loop_on_pull(self) -> None:
        try:
            heard = 0
            while not self._has_been_stopped:
                self._pull()
                heard = self._recorder.wait_for_growth(heard)
        except BaseException as error:  # noqa: BLE001 - the library raises it where the notifications are taken
            self._thread_error = error
            self.stop()


def _stream(originator_id: UUID | str) -> UUID:
    if not isinstance(originator_id, UUID):
        raise ProgrammingError(
            f"a stream's id is a UUID, not {originator_id!r}: give the aggregate one, "
            f"for example uuid5(NAMESPACE_URL, {str(originator_id)!r})"
        )
    return originator_id


def _is_selected(notification: Notification, stop: int | None, topics: Sequence[str]) -> bool:
    return (stop is None or notification.id <= stop) and (not topics or notification.topic in topics)
