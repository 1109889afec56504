"""The `eventsourcing` library's own promises for recorders, kept by those over MongoDB."""

from uuid import uuid4

import pytest
from eventsourcing.persistence import AggregateRecorder, StoredEvent
from eventsourcing.tests.persistence import AggregateRecorderTestCase, ApplicationRecorderTestCase

from adapters.mongo.journal import Journal
from adapters.mongo.recorders import MongoAggregateRecorder, MongoApplicationRecorder


class TestAggregateRecorder(AggregateRecorderTestCase):
    @pytest.fixture(autouse=True)
    def _open(self, journal: Journal) -> None:
        self.journal = journal

    def create_recorder(self) -> AggregateRecorder:
        return MongoAggregateRecorder(self.journal)


class TestApplicationRecorder(ApplicationRecorderTestCase[MongoApplicationRecorder]):
    @pytest.fixture(autouse=True)
    def _open(self, journal: Journal) -> None:
        self.journal = journal

    def create_recorder(self) -> MongoApplicationRecorder:
        return MongoApplicationRecorder(self.journal)

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


del AggregateRecorderTestCase, ApplicationRecorderTestCase  # or pytest collects them here as well


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
