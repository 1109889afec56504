"""The same promises on Apache Kafka itself; skipped where it could not be fetched."""

import threading
import time

import pytest

from adapters.kafka import topics
from adapters.kafka.lanes import KafkaFeed
from adapters.kafka.relay import Relay
from adapters.kafka.topics import WrongPartitions
from adapters.mongo.journal import Journal
from adapters.mongo.log import MongoEventLog
from tests.contracts.feed import FeedContract, by_lane, from_start, save_users, take, take_nothing
from tests.real_kafka import RealKafka
from tests.servers import running


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    if not RealKafka.is_fetched():
        pytest.skip("Kafka has not been fetched")
    folder = tmp_path_factory.mktemp("kafka")
    with running(RealKafka.create(folder), folder) as server:
        topics.create(server.address, lanes=8, replicas=1)
        yield server


class TestKafkaFeedOnKafka(FeedContract):
    """All tests share one topic, which holds the records of the stores before: they are dropped."""

    @pytest.fixture(autouse=True)
    def _open(self, broker, journal, database, request):
        self.broker, self.log = broker, MongoEventLog(journal)
        self._groups, self._opened = request.node.name, []
        mirrored, stop = Journal(database), threading.Event()
        relay = threading.Thread(target=Relay(mirrored, broker.server.address).run, args=[stop])
        relay.start()
        yield
        for subscription in self._opened:
            subscription.close()
        stop.set()
        relay.join()
        mirrored.close()

    def subscribe(self, group, cursor=from_start):
        feed = KafkaFeed(self.log, self.broker.server.address)
        self._opened.append(feed.subscribe(f"{self._groups}-{group}", cursor))
        return self._opened[-1]

    def test_a_broker_that_is_killed_loses_nothing_and_is_found_again(self):
        cursors = {}
        subscription = self.subscribe("readers", lambda lane: cursors.get(lane, 0))
        events = []

        def take_and_note(number):
            taken = take(number, subscription)
            cursors.update({event.lane: event.position for event in taken})
            events.extend(taken)

        save_users(self.log, 10)
        take_and_note(20)
        self.broker.kill()
        save_users(self.log, 10)
        take_and_note(20)
        time.sleep(1)
        self.broker.start()
        save_users(self.log, 10)
        take_and_note(20)
        assert by_lane(events) == by_lane(self.log.read(0, 100))
        assert take_nothing(subscription) == []


def test_topics_are_made_once_and_never_with_another_number_of_lanes(broker):
    topics.create(broker.address, lanes=8, replicas=1)
    with pytest.raises(WrongPartitions, match="8 partitions, the store 4 lanes"):
        topics.create(broker.address, lanes=4, replicas=1)
