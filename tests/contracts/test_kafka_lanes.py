"""KafkaFeed keeps the port's promises, and nothing is lost or doubled whatever happens to Kafka."""

import threading
from collections import defaultdict
from uuid import uuid4

import msgspec
import pytest
from confluent_kafka import Producer, TopicPartition

from adapters.kafka import headers
from adapters.kafka.headers import Place
from adapters.kafka.lane import Lane
from adapters.kafka.lanes import KafkaFeed
from adapters.kafka.relay import Relay
from adapters.kafka.topics import EVENTS
from adapters.mongo.commits import envelope
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.log import MongoEventLog
from application.ports.log import Unreadable
from tests.contracts.feed import FeedContract, by_lane, from_start, save_users, take, take_nothing
from tests.faults.processes import wait_until


@pytest.fixture
def subscribe(log, broker):
    """Subscriptions that are closed at the end."""
    opened = []

    def subscribe(group, cursor=from_start, orphans=frozenset()):
        opened.append(KafkaFeed(log, broker.server.address).subscribe(group, cursor, orphans))
        return opened[-1]

    yield subscribe
    for subscription in opened:
        subscription.close()


@pytest.fixture
def relay(database, broker):
    """A relay that runs until it is stopped, in a process of its own as far as the log knows."""
    journal = Journal(database)
    stop = threading.Event()
    thread = threading.Thread(target=Relay(journal, broker.server.address).run, args=[stop])
    thread.start()

    def end():
        stop.set()
        thread.join()

    yield end
    end()
    journal.close()


class TestKafkaFeed(FeedContract):
    @pytest.fixture(autouse=True)
    def _open(self, log, subscribe, relay):
        self.log, self._subscribe = log, subscribe

    def subscribe(self, group, cursor=from_start, orphans=frozenset()):
        return self._subscribe(group, cursor, orphans)


def send(log, broker, *positions, store=None):
    """Mirror these events as a relay would, or one that does it wrong."""
    producer = Producer({"bootstrap.servers": broker.address})
    last = defaultdict(int)
    for position, line in log._journal.reading.after(0, 1_000):
        if position in positions:
            values = headers.encode(Place(store or log.store.id, position, last[line.lane]), envelope.unwrap(line.data))
            producer.produce(EVENTS, line.data, partition=line.lane, headers=values)
        last[line.lane] = position
    assert producer.flush(10) == 0


def joined(subscribe, cursor=from_start):
    """A subscription that has its lanes, so that what comes next comes through Kafka."""
    subscription = subscribe("readers", cursor)
    while not subscription._lanes:
        subscription.poll(0.1)
    return subscription


@pytest.fixture
def no_looks(monkeypatch):
    """The once-a-second look at the lanes' ends finds nothing, so that the records alone have to tell."""
    monkeypatch.setattr(Lane, "hint", lambda *_, **__: None)


def test_what_kafka_brings_is_read_from_kafka(log, broker, subscribe, no_looks, monkeypatch):
    subscription = joined(subscribe)
    save_users(log, 5)
    send(log, broker, *range(1, 11))
    monkeypatch.setattr(MongoEventLog, "read_lane", lambda *_: pytest.fail("nothing is missing"))
    assert len(take(10, subscription)) == 10


def test_a_missing_record_is_read_from_the_log(log, broker, subscribe, no_looks):
    subscription = joined(subscribe)
    save_users(log, 30)
    everything = by_lane(log.read(0, 1_000))
    lane = next(iter(everything))
    last = everything[lane][-1].position
    send(log, broker, everything[lane][0].position, last)
    assert take(len(everything[lane]), subscription) == everything[lane]


def test_records_in_the_wrong_order_are_delivered_in_the_right_one(log, broker, subscribe, no_looks):
    subscription = joined(subscribe)
    save_users(log, 30)
    events = next(iter(by_lane(log.read(0, 1_000)).values()))
    for event in reversed(events):
        send(log, broker, event.position)
    assert take(len(events), subscription) == events
    assert take_nothing(subscription, 1.0) == []


def test_a_repeated_record_is_delivered_once(log, broker, subscribe, no_looks):
    subscription = joined(subscribe)
    save_users(log, 1)
    for _ in range(3):
        send(log, broker, 1, 2)
    assert [event.position for event in take(2, subscription)] == [1, 2]
    assert take_nothing(subscription, 1.0) == []


def test_another_stores_records_are_dropped(log, broker, subscribe, no_looks):
    subscription = joined(subscribe)
    save_users(log, 1)
    send(log, broker, 1, 2, store=uuid4())
    assert take_nothing(subscription, 1.0) == []
    send(log, broker, 1, 2)
    assert len(take(2, subscription)) == 2


def test_records_that_no_relay_wrote_are_dropped(log, broker, subscribe, no_looks):
    subscription = joined(subscribe)
    producer = Producer({"bootstrap.servers": broker.address})
    producer.produce(EVENTS, b"spam", partition=0)
    producer.produce(EVENTS, b"spam", partition=0, headers=[("store", b"x"), ("position", b"1"), ("previous", b"0")])
    assert producer.flush(10) == 0
    assert take_nothing(subscription, 1.0) == []


def test_a_lost_tail_is_found(log, broker, subscribe):
    subscription = joined(subscribe)
    save_users(log, 5)
    send(log, broker, 1, 2, 3)
    assert by_lane(take(10, subscription)) == by_lane(log.read(0, 100))


def test_events_come_while_kafka_is_down(log, broker, subscribe):
    subscription = joined(subscribe)
    broker.kill()
    save_users(log, 5)
    assert by_lane(take(10, subscription)) == by_lane(log.read(0, 100))
    assert take_nothing(subscription) == []


def test_a_wiped_broker_at_another_address_loses_nothing(log, broker, subscribe, relay):
    cursors, claimed = {}, []

    def claim(lane):
        claimed.append(lane)
        return cursors.get(lane, 0)

    subscription = subscribe("readers", claim)

    def take_and_note(number):
        events = take(number, subscription)
        cursors.update({event.lane: event.position for event in events})
        return events

    save_users(log, 10)
    events = take_and_note(20)
    broker.kill()
    save_users(log, 10)
    events += take_and_note(20)
    broker.start()
    save_users(log, 10)
    events += take_and_note(20)
    assert by_lane(events) == by_lane(log.read(0, 100))
    assert take_nothing(subscription) == []
    assert sorted(claimed) == sorted([*range(8)] * 2), "the cursors are asked when lanes are given, and when given anew"
    assert _arrives_through_kafka(log, subscription)


def test_orphans_are_read_from_kafka_as_soon_as_the_group_has_given_them(log, broker, subscribe, relay):
    cursors, gone = {}, joined(subscribe)
    adopting = subscribe("readers", lambda lane: cursors.get(lane, 0), frozenset(range(8)))
    save_users(log, 10)
    cursors.update({event.lane: event.position for event in take(20, adopting)})
    gone.close()
    wait_until(lambda: adopting.poll(0.1) or not adopting._membership.is_silent, "that it is given lanes", patience=20)
    assert take_nothing(adopting) == []
    assert _arrives_through_kafka(log, adopting)


def test_a_client_that_has_left_takes_no_lanes_away(log, broker, subscribe):
    membership = joined(subscribe)._membership
    lanes = membership.lanes
    membership._on_revoke(object(), [TopicPartition(EVENTS, lane) for lane in lanes])
    assert membership.lanes == lanes


def _arrives_through_kafka(log, subscription):
    """Whether the relay and the subscription have found the new broker: nobody looks at the lanes' ends any more."""
    subscription._look = lambda: None
    save_users(log, 1)
    return len(take(2, subscription)) == 2


def test_a_cursor_beside_the_lanes_own_positions_is_no_gap(log, broker, subscribe, no_looks):
    save_users(log, 20)
    while log.read(log.head() - 3, 1)[0].lane == log.read(log.head() - 2, 1)[0].lane:
        save_users(log, 1)
    head = log.head()
    subscription = joined(subscribe, cursor=lambda _lane: head - 2)
    send(log, broker, head - 1)
    assert [event.position for event in take(1, subscription)] == [head - 1]


def break_third_event(log, database):
    """A newer version of this system has written the third event of some lane. Returns the lane and all events."""
    lanes = by_lane(log.read(0, 1_000))
    lane = next(lane for lane, events in lanes.items() if len(events) > 3)
    commit = database.commits.find_one({"z": lanes[lane][2].position + 1})
    newer = msgspec.json.encode(msgspec.json.decode(commit["e"][0]["d"]) | {"schema": 99})
    database.commits.update_one({"_id": commit["_id"]}, {"$set": {"e.0.d": newer}})
    return lane, lanes


def check_told(taken, lane, lanes):
    """The third event of one lane is delivered as unreadable, and all others as they are."""
    third = taken[lane][2]
    assert isinstance(third.data, Unreadable)
    assert (third.position, third.stream) == (lanes[lane][2].position, lanes[lane][2].stream)
    taken[lane][2] = lanes[lane][2]
    assert taken == lanes


def test_an_unreadable_event_in_the_log_is_delivered_as_such_and_stops_nothing(log, database, broker, subscribe):
    save_users(log, 20)
    lane, lanes = break_third_event(log, database)
    subscription = subscribe("readers")
    check_told(by_lane(take_nothing(subscription, 3.0)), lane, lanes)


def test_an_unreadable_record_is_read_from_the_log_and_stops_nothing(log, database, broker, subscribe, no_looks):
    subscription = joined(subscribe)
    save_users(log, 20)
    lane, lanes = break_third_event(log, database)
    send(log, broker, *range(1, 41))
    check_told(by_lane(take_nothing(subscription, 3.0)), lane, lanes)
