"""Parked events are tried again when that can help; whoever has to know that some wait is told, and so is Kafka."""

import logging
from datetime import timedelta
from threading import Event, Thread
from uuid import uuid4

import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition

from adapters.kafka.dead_letters import DeadLetterTopic
from adapters.kafka.topics import DEAD_LETTERS
from adapters.mongo.holding import Roles
from adapters.mongo.read_models.mailbox import MongoMailbox
from adapters.mongo.read_models.outbox import Outbox
from adapters.telemetry.dead_letters import DeadLetterMetrics
from adapters.telemetry.metrics import start_metrics
from application.dead_letters import DeadLetters
from application.ports.log import Context
from domain.dead_letter import DeadLetter
from ops.containers.core import SystemClock
from projections.redelivery import ACTOR, LONGEST_WAIT, MOST_TRIES, Redelivery, Undelivered
from tests.collector import collecting
from tests.contracts.feed import save_users
from tests.contracts.test_rebuild import PEOPLE, Models, poisonous
from tests.faults.processes import wait_until

DAY = timedelta(days=1)


class Ahead(SystemClock):
    """A clock that can be put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self):
        return super().now() + self.ahead


class Told:
    """Implements Alarm, and remembers."""

    def __init__(self) -> None:
        self.parked = None

    def tell(self, parked) -> None:
        self.parked = dict(parked)


class Nowhere:
    """Implements Post, for a test that reads no topic."""

    def deliver(self) -> None:
        pass


@pytest.fixture
def models(database, log) -> Models:
    made = Models(database, log)
    save_users(log, 5)
    made.fold_live(poisonous(1, 3))
    return made


@pytest.fixture
def clock() -> Ahead:
    return Ahead()


@pytest.fixture
def alarm() -> Told:
    return Told()


@pytest.fixture
def redelivery(models, clock, alarm):
    """Of a process whose code is as given."""

    def of(projection, post=None) -> Redelivery:
        letters, mailbox = DeadLetters(models.log), MongoMailbox(models.database)
        roles, by_name = Roles(models.database), {projection.name: projection}
        return Redelivery(models.log, clock, roles, mailbox, letters, by_name, alarm, post or Nowhere())

    return of


def look(redelivery, clock, times=1) -> None:
    """Each time after so long a wait that everything is due."""
    for _ in range(times):
        clock.ahead += 2 * LONGEST_WAIT
        redelivery.look()


def tries(models) -> list:
    return [event for event in models.log.read(0, 1_000) if isinstance(event.data, DeadLetter.RetryRequested)]


def parked(models) -> list[int]:
    return [one.position for one in MongoMailbox(models.database).causes()]


def test_what_still_fails_is_not_tried_and_leaves_no_event(models, redelivery, clock):
    head = models.log.head()
    look(redelivery(poisonous(1, 3)), clock, times=50)
    assert models.log.head() == head


def test_what_could_be_folded_by_now_is_tried_by_the_event_that_people_use(models, redelivery, clock):
    look(redelivery(poisonous(3)), clock)
    (retry,) = tries(models)
    first = models.log.read(0, 1)[0]
    assert (retry.actor, retry.data.parked) == (ACTOR, first.stream)
    assert (retry.correlation, retry.causation) == (first.correlation, first.id)
    models.fold_live(poisonous(3))
    assert parked(models) == [3]
    assert models.verify(poisonous(3)).findings == ()


def test_what_the_others_cannot_fold_is_tried_ever_later_and_not_for_ever(models, redelivery, clock):
    mended = redelivery(PEOPLE)
    mended.look()
    assert tries(models) == []
    clock.ahead += timedelta(seconds=11)
    mended.look()
    mended.look()
    assert len(tries(models)) == 2
    clock.ahead += timedelta(seconds=9)
    mended.look()
    assert len(tries(models)) == 2
    look(mended, clock, times=30)
    models.fold_live(poisonous(1, 3))
    look(mended, clock, times=30)
    look(redelivery(PEOPLE), clock, times=30)
    assert len(tries(models)) == 2 * MOST_TRIES


def test_somebody_elses_try_begins_a_new_count(models, redelivery, clock):
    look(redelivery(PEOPLE), clock, times=30)
    person = Context("operator", clock.now(), uuid4())
    DeadLetters(models.log).retry(person, "people", models.log.read(0, 1)[0].stream)
    look(redelivery(PEOPLE), clock, times=30)
    assert len(tries(models)) == 3 * MOST_TRIES + 1


def test_what_is_discarded_is_never_tried_even_before_it_is_gone(models, redelivery, clock):
    stream = models.log.read(0, 1)[0].stream
    person = Context("operator", clock.now(), uuid4())
    DeadLetters(models.log).discard(person, "people", stream, 1, "of no use")
    look(redelivery(PEOPLE), clock, times=30)
    assert {retry.data.parked for retry in tries(models)} == {models.log.read(2, 1)[0].stream}


def test_how_many_wait_is_told_until_none_does(models, redelivery, clock, alarm, caplog):
    caplog.set_level(logging.INFO)
    mended = redelivery(PEOPLE)
    mended.look()
    mended.look()
    assert alarm.parked == {"people": 4}
    assert [r.message for r in caplog.records if r.levelname == "ERROR"] == [
        "4 events are parked (people: 4); `runledger dlq list` shows them"
    ]
    look(mended, clock)
    models.fold_live()
    mended.look()
    assert alarm.parked == {"people": 0}
    assert caplog.records[-1].message == "no event is parked any more"


def test_a_collector_is_told_how_many(models, tmp_path):
    with collecting() as (collector, endpoint):
        provider = start_metrics("deadletters", endpoint, tmp_path)
        metrics = DeadLetterMetrics(provider.get_meter("runledger.dead_letters"))
        metrics.tell(MongoMailbox(models.database).counts())
        provider.force_flush()
        assert collector.value("runledger_dead_letters") == 4
        assert collector.metrics["runledger_dead_letters"] == ("gauge", "{event}")
        metrics.tell({})
        provider.get_meter("another").create_counter("another").add(1)  # else there is nothing to tell at all
        provider.force_flush()
        assert collector.value("runledger_dead_letters") is None
        provider.shutdown()


def test_of_two_processes_one_is_active(models, redelivery, clock):
    clock.ahead += DAY
    stop = Event()
    threads = [Thread(target=redelivery(PEOPLE).run, args=(stop,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(tries(models)) == 2, "both streams tried")
    stop.wait(3)
    stop.set()
    for thread in threads:
        thread.join()
    assert len(tries(models)) == 2


# The topic ----------------------------------------------------------------------------------------------------


@pytest.fixture
def topic(models, broker) -> DeadLetterTopic:
    return DeadLetterTopic(Outbox(models.database), lambda: models.log.store.id, lambda: broker.address)


def sent(broker, number: int) -> list:
    """The first records of the topic: their headers, and what they hold."""
    reader = Consumer({"bootstrap.servers": broker.address, "group.id": "check", "fetch.wait.max.ms": 5})
    reader.assign([TopicPartition(DEAD_LETTERS, 0, 0)])
    found: list = []
    wait_until(lambda: found.extend(reader.consume(100, timeout=0.2)) or len(found) >= number, f"{number} records", 15)
    reader.close()
    return [(dict(one.headers()), msgspec.json.decode(one.value())) for one in found]


def test_what_happens_to_letters_is_in_kafka_in_order(models, topic, broker):
    people = [models.log.read(position, 1)[0].stream for position in (0, 2)]
    person = Context("operator", models.log.read(0, 1)[0].at, uuid4())
    DeadLetters(models.log).retry(person, "people", people[0])
    DeadLetters(models.log).discard(person, "people", people[1], 3, "of no use")
    models.fold_live(poisonous(1, 3))
    topic.deliver()
    records = sent(broker, 8)
    story = {
        str(stream): [(one["what"], one.get("position")) for _, one in records if one["stream"] == str(stream)]
        for stream in people
    }
    assert story == {
        str(people[0]): [("parked", 1), ("parked", 2), ("retried", None), ("parked", 1), ("parked", 2)],
        str(people[1]): [("parked", 3), ("parked", 4), ("discarded", 3)],
    }
    headers, first = next(record for record in records if record[1].get("position") == 1)
    assert first["trouble"]["error"] == "ValueError"
    assert headers["ce_id"] == first["id"].encode()
    assert headers["ce_type"] == b"Letter.Parked"
    assert headers["store"] == str(models.log.store.id).encode()
    assert len({headers["ce_id"] for headers, _ in records}) == len(records) == 8


def test_what_could_not_be_sent_is_sent_later_and_nothing_twice_without_need(models, topic, broker):
    broker.kill()
    with pytest.raises(Undelivered):
        topic.deliver()
    broker.start()
    topic.deliver()
    topic.deliver()
    assert len(sent(broker, 4)) == 4


def test_what_was_killed_before_it_was_noted_is_sent_again_with_the_same_id(models, topic, broker, monkeypatch):
    monkeypatch.setattr(topic._outbox, "sent", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        topic.deliver()
    monkeypatch.undo()
    topic.deliver()
    ids = [headers["ce_id"] for headers, _ in sent(broker, 8)]
    assert ids[:4] == ids[4:]
