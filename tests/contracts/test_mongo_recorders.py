"""The `eventsourcing` library's own promises for recorders, kept by those over MongoDB."""

import pytest
from eventsourcing.persistence import AggregateRecorder
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
