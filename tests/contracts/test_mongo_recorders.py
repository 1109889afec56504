"""How the recorders over MongoDB read a stream, beyond what the library's own test cases ask."""

from uuid import uuid4

from eventsourcing.persistence import StoredEvent

from adapters.mongo.library.recorders import MongoAggregateRecorder
from adapters.mongo.log.journal import Journal


def test_what_is_behind_a_version_is_read_whole(journal: Journal) -> None:
    recorder = MongoAggregateRecorder(journal)
    stream, other = uuid4(), uuid4()
    stored = [StoredEvent(stream, version, "Happened", b"{}") for version in range(1, 61)]
    recorder.insert_events(stored[:9])
    recorder.insert_events([*stored[9:59], StoredEvent(other, 1, "Happened", b"{}")])
    recorder.insert_events(stored[59:])
    for gt in (1, 7, 10, 42, 49, 57, 59, 60):
        assert recorder.select_events(stream, gt=gt) == stored[gt:]
        assert recorder.select_events(stream, gt=gt, lte=50) == stored[gt:50]
        assert recorder.select_events(stream, gt=gt, desc=True, limit=3) == stored[gt:][::-1][:3]
