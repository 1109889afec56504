"""The `eventsourcing` library's own promises for factories, kept by the one for MongoDB.

Its TranscoderTestCase is not here: the transcoder is the library's own, and that case (tuples, subclasses of dict …) is
for others; its JSONTranscoder does not pass it either.
"""

import pytest
from eventsourcing.tests import persistence
from eventsourcing.utils import Environment

from adapters.mongo.library.processes import MongoProcessRecorder
from adapters.mongo.library.recorders import MongoAggregateRecorder, MongoApplicationRecorder
from adapters.mongo.library.tracking import MongoTrackingRecorder
from adapters.mongo.persistence import Factory


class View(MongoTrackingRecorder):
    """A view of one's own."""


class TestFactory(persistence.InfrastructureFactoryTestCase[Factory]):
    @pytest.fixture(autouse=True)
    def _open(self, library: dict[str, str]) -> None:
        self.env = Environment(env=library)

    def expected_factory_class(self):
        return Factory

    def expected_aggregate_recorder_class(self):
        return MongoAggregateRecorder

    def expected_application_recorder_class(self):
        return MongoApplicationRecorder

    def expected_tracking_recorder_class(self):
        return MongoTrackingRecorder

    def tracking_recorder_subclass(self):
        return View

    def expected_process_recorder_class(self):
        return MongoProcessRecorder
