"""The same promises on Apache Kafka itself; skipped where it could not be fetched."""

import json
import threading
import time

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from adapters.kafka import refill, topics
from adapters.kafka.clients import admin
from adapters.kafka.lanes import KafkaFeed
from adapters.kafka.progress import progress
from adapters.kafka.relay import Relay
from adapters.kafka.replays import Topics
from adapters.kafka.topics import Difference, Refused, Seeded
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.log import MongoEventLog
from domain.replay import Kind
from tests.contracts import test_replays
from tests.contracts.feed import FeedContract, by_lane, from_start, save_users, take, take_nothing
from tests.contracts.mirroring import Relaying, true_places
from tests.contracts.replays import named
from tests.faults.brokers import records_at
from tests.faults.processes import wait_until
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


class TestReplayTopicsOnKafka(test_replays.TestTopics):
    """A topic there has a partition for each lane, and is deleted when it is thrown away."""

    partitions = 8

    @pytest.fixture(autouse=True)
    def _open(self, broker, journal, _log):
        self.broker, self.outlets = broker, Topics(journal, lambda: broker.address)
        self.target = named(Kind.TOPIC)

    def check_gone(self, replay):
        def names():
            return admin(self.broker.address).list_topics(timeout=10).topics

        wait_until(lambda: replay.target.name not in names(), "the topic deleted")

    def test_a_broker_that_cannot_be_reached_is_told(self):
        """As with the embedded one; this one is shared."""

    test_what_the_embedded_broker_forgot_when_it_ended_is_sent_again = None


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

    def subscribe(self, group, cursor=from_start, orphans=frozenset()):
        feed = KafkaFeed(self.log, self.broker.server.address)
        self._opened.append(feed.subscribe(f"{self._groups}-{group}", cursor, orphans))
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


def test_a_topic_made_anew_after_the_request_holds_the_log_in_order_from_its_beginning(broker, log, database):
    """New events come meanwhile: they wait behind the old ones."""
    with Relaying(database, broker):
        save_users(log, 10)
        wait_until(lambda: progress(database).position == 20, "all events in Kafka")
        delete(broker, topics.EVENTS)
        request = refill.ask(database, 1)
        wait_until(lambda: progress(database).is_refilling, "a relay that has taken the request up")
        save_users(log, 10)
        topics.create(broker.address, lanes=8, replicas=1)
        list(refill.follow(database, request))
        wait_until(lambda: progress(database).position == 40, "the new ones as well")
        found = [one.place for one in sorted(records_at(broker.address), key=lambda one: one.lane)]
    first_of_each = list(dict.fromkeys(found))
    assert first_of_each == sorted(true_places(log), key=lambda place: log.read(place.position - 1, 1)[0].lane)


def test_topics_are_made_once_and_told_from_what_they_should_be(broker):
    for topic in (topics.DEAD_LETTERS, topics.CHECKPOINTS):
        delete(broker, topic)
    assert topics.create(broker.address, lanes=8) == [
        Seeded(topics.EVENTS, is_new=False),
        Seeded(topics.DEAD_LETTERS, is_new=True),
        Seeded(topics.CHECKPOINTS, is_new=True),
    ]
    assert [found for found in topics.create(broker.address, lanes=8) if found.is_new or found.differences] == []
    change(broker, topics.CHECKPOINTS, "retention.ms", "60000")
    events, letters, checkpoints = topics.create(broker.address, lanes=4, replicas=3)
    assert Difference("partitions", "8", "4") in events.differences
    assert events.is_unusable
    assert letters.is_unusable
    assert checkpoints.differences == (
        Difference("replicas", "1", "3"),
        Difference("retention.ms", "60000", "-1"),
        Difference("min.insync.replicas", "1", "2"),
    )
    assert not checkpoints.is_unusable
    change(broker, topics.CHECKPOINTS, "retention.ms", "-1")


def test_more_replicas_than_brokers_are_refused_by_name(broker):
    delete(broker, topics.CHECKPOINTS)
    with pytest.raises(Refused, match=r"The topic runledger\.checkpoints cannot be made: .*replication factor"):
        topics.create(broker.address, lanes=8, replicas=7)
    topics.create(broker.address, lanes=8)


def test_topics_are_seeded_on_the_command_line(broker, running_system):
    environment = {"RUNLEDGER_KAFKA_SERVERS": broker.address}
    delete(broker, topics.CHECKPOINTS)
    done = running_system.cli("topics", "create", "--json", more=environment)
    assert done.returncode == 0
    assert [(topic["name"], topic["is_new"]) for topic in json.loads(done.stdout)] == [
        (topics.EVENTS, False),
        (topics.DEAD_LETTERS, False),
        (topics.CHECKPOINTS, True),
    ]
    change(broker, topics.EVENTS, "retention.ms", "60000")
    again = running_system.cli("topics", "create", more=environment)
    assert again.returncode == 0
    assert b"retention.ms is 60000, should be -1" in again.stdout
    change(broker, topics.EVENTS, "retention.ms", "-1")


def delete(broker, topic):
    client = admin(broker.address)
    client.delete_topics([topic])[topic].result()
    while topic in client.list_topics(timeout=10).topics:
        time.sleep(0.05)


def change(broker, topic, setting, value):
    entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    client = admin(broker.address)
    client.incremental_alter_configs([resource])[resource].result()
