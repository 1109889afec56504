"""The `eventsourcing` library's own promises for projections and their views, kept with MongoDB."""

from typing import ClassVar

import pytest
from eventsourcing.tests import projection

from adapters.mongo.library.tracking import MongoTrackingRecorder


class CountersView(MongoTrackingRecorder, projection.EventCountersView):
    """Counts events in a collection of its own."""

    def get_created_event_counter(self):
        return self._count("created")

    def get_subsequent_event_counter(self):
        return self._count("subsequent")

    def incr_created_event_counter(self, tracking):
        self._increment("created", tracking)

    def incr_subsequent_event_counter(self, tracking):
        self._increment("subsequent", tracking)

    def _count(self, name):
        found = self.collection("counters").find_one({"_id": name})
        return found["events"] if found else 0

    def _increment(self, name, tracking):
        counters = self.collection("counters")
        change = {"$inc": {"events": 1}}
        self.record(tracking, lambda session: counters.update_one({"_id": name}, change, upsert=True, session=session))


class TestView(projection.EventCountersViewTestCase):
    @pytest.fixture(autouse=True)
    def _open(self, database) -> None:
        self.database = database

    def construct_event_counters_view(self):
        return CountersView(self.database)


class TestProjection(projection.AggregateEventCountersProjectionTestCase):
    view_class = CountersView

    @pytest.fixture(autouse=True)
    def _open(self, library: dict[str, str]) -> None:
        """The environment is all it needs."""


class TestEventSourcedProjection(projection.EventSourcedProjectionTestCase):
    @pytest.fixture(autouse=True)
    def _open(self, library: dict[str, str]) -> None:
        """The environment is all it needs."""


class TestProjectionOfDecisions(projection.TaggedDecisionCountersProjectionTestCase):
    """The view is in MongoDB; the decisions it follows are in memory, for they are not aggregates' events."""

    view_class = CountersView
    env: ClassVar[dict[str, str]] = {
        "DCBAPPLICATION_PERSISTENCE_MODULE": "eventsourcing.dcb.popo",
        "MAPPER_TOPIC": "eventsourcing.dcb.msgpack:MessagePackMapper",
    }

    @pytest.fixture(autouse=True)
    def _open(self, library: dict[str, str]) -> None:
        """The environment is all it needs."""
