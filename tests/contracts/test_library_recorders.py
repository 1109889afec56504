"""The `eventsourcing` library's own promises for recorders, kept by those over MongoDB."""

import pytest
from eventsourcing.tests import persistence

from adapters.mongo.library.processes import MongoProcessRecorder
from adapters.mongo.library.recorders import MongoAggregateRecorder, MongoApplicationRecorder
from adapters.mongo.library.tracking import MongoTrackingRecorder
from adapters.mongo.log.journal import Journal
from adapters.mongo.persistence import Factory


class OfJournal:
    """Makes the recorders over a journal of the test's own."""

    journal: Journal

    @pytest.fixture(autouse=True)
    def _open(self, journal: Journal) -> None:
        self.journal = journal


class TestAggregateRecorder(OfJournal, persistence.AggregateRecorderTestCase):
    def create_recorder(self):
        return MongoAggregateRecorder(self.journal)


class TestSnapshotRecorder(persistence.AggregateRecorderTestCase):
    @pytest.fixture(autouse=True)
    def _open(self, library: dict[str, str]) -> None:
        self.env = library

    def create_recorder(self):
        return Factory(self.env).aggregate_recorder("snapshots")


class TestApplicationRecorder(OfJournal, persistence.ApplicationRecorderTestCase[MongoApplicationRecorder]):
    def create_recorder(self):
        return MongoApplicationRecorder(self.journal)

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestProcessRecorderAsApplicationRecorder(
    OfJournal, persistence.ApplicationRecorderTestCase[MongoProcessRecorder]
):
    def create_recorder(self):
        return MongoProcessRecorder(self.journal)

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestNotificationIdsOfApplicationRecorder(OfJournal, persistence.NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self):
        return MongoApplicationRecorder(self.journal)


class TestNotificationIdsOfProcessRecorder(OfJournal, persistence.NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self):
        return MongoProcessRecorder(self.journal)


class TestTrackingRecorder(OfJournal, persistence.TrackingRecorderTestCase):
    def create_recorder(self):
        return MongoTrackingRecorder(self.journal.database)


class TestProcessRecorderAsTrackingRecorder(OfJournal, persistence.TrackingRecorderTestCase):
    def create_recorder(self):
        return MongoProcessRecorder(self.journal)


class TestProcessRecorder(OfJournal, persistence.ProcessRecorderTestCase):
    def create_recorder(self):
        return MongoProcessRecorder(self.journal)
