"""Relays and consumers paused and killed, brokers killed, wiped and set back: consumers end as a fold of the log."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from adapters.mongo.commits.commits import MAX_EVENTS
from adapters.mongo.leases import TERM_SECONDS
from tests.contracts.feed import save_users
from tests.faults.brokers import Apache, Broker, Embedded
from tests.faults.mirrors import Mirror
from tests.faults.processes import Program, wait_until
from tests.real_kafka import RealKafka
from tests.servers import Running, running, secantus

MESSAGE_SECONDS = 4.0
"""A message that has waited so long in the relay's producer used to be given up."""
SOON_SECONDS = 30.0
"""Half of what servers keep a transaction for, of which nobody is heard any more. Kafka gives a lane away after 6 s."""
IN_THE_BATCH = 150
"""The relay stops before this position of a batch that is longer."""


@pytest.fixture(scope="module")
def mongo(tmp_path_factory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("mongo")
    with running(secantus(folder), folder) as server:
        yield server


@pytest.fixture(scope="module")
def apache(tmp_path_factory) -> Iterator[Apache]:
    if not RealKafka.is_fetched():
        pytest.skip("Kafka has not been fetched")
    started = Apache(tmp_path_factory.mktemp("kafka"))
    yield started
    started.stop()


@pytest.fixture
def embedded(tmp_path) -> Iterator[Embedded]:
    started = Embedded(tmp_path)
    yield started
    started.stop()


@pytest.fixture(params=["embedded", "apache"])
def broker(request) -> Broker:
    return request.getfixturevalue(request.param)


@pytest.fixture
def open_mirror(mongo, broker) -> Iterator[Callable[[], Mirror]]:
    with ExitStack() as programs:
        opened: list[Mirror] = []

        def open() -> Mirror:
            opened.append(Mirror(mongo, broker, programs))
            return opened[-1]

        yield open
        programs.close()
        for mirror in opened:
            mirror.journal.close()
            mirror.database.client.close()


@pytest.fixture
def mirror(open_mirror) -> Mirror:
    return open_mirror()


def is_paused(process: Program) -> bool:
    stat = Path(f"/proc/{process.process.pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "T"


# Relays -------------------------------------------------------------------------------------------------------


def test_a_relay_paused_in_a_batch_and_resumed_after_another_took_over_reorders_nothing(mirror):
    save_users(mirror.log, IN_THE_BATCH)
    mirror.consumer()
    paused = mirror.relay(pause_at=IN_THE_BATCH)
    wait_until(lambda: is_paused(paused), "a relay in the middle of its batch")
    time.sleep(TERM_SECONDS / 2)
    mirror.relay()
    wait_until(mirror.has_copied_all, "the second relay's copy")
    with mirror.load():
        paused.resume()
        time.sleep(1)
    mirror.check()


def test_a_relay_paused_for_less_than_its_lease_reorders_nothing(mirror):
    """Long enough for what it had sent already to be given up, while the rest of the batch is still to be sent."""
    save_users(mirror.log, IN_THE_BATCH)
    mirror.consumer()
    paused = mirror.relay(pause_at=IN_THE_BATCH)
    wait_until(lambda: is_paused(paused), "a relay in the middle of its batch")
    time.sleep(MESSAGE_SECONDS + 0.5)
    paused.resume()
    mirror.check()


def test_two_relays_at_once_do_no_harm(mirror):
    mirror.consumer()
    with mirror.load():
        one, two = mirror.relay(role="one"), mirror.relay(role="two")
        wait_until(lambda: mirror.log.head() > 200, "load")
        one.pause()
        time.sleep(1)
        one.resume()
        two.kill()
        mirror.relay(role="two")
        wait_until(lambda: mirror.log.head() > 400, "load")
    mirror.check()
    assert mirror.copies() > mirror.log.head(), "both have sent"


def test_another_stores_records_in_the_same_topic_are_ignored(open_mirror):
    mirrors = [open_mirror(), open_mirror()]
    for mirror in mirrors:
        mirror.relay()
        mirror.consumer()
    with mirrors[0].load(), mirrors[1].load():
        time.sleep(2)
    for mirror in mirrors:
        mirror.check()


# Consumers ----------------------------------------------------------------------------------------------------


def test_a_consumer_killed_in_a_batch_is_replaced_and_nothing_is_folded_twice_or_missed(mirror):
    mirror.relay()
    mirror.consumer()
    with mirror.load():
        other = mirror.consumer()
        wait_until(lambda: len(mirror.folded()) == mirror.log.lanes, "all lanes folded")
        time.sleep(1)
        other.kill()
        mirror.consumer()
        time.sleep(1)
    mirror.check()


def test_a_consumer_paused_until_its_lanes_were_given_away_folds_nothing_twice(mirror):
    mirror.relay()
    paused = mirror.consumer(pause_at=100)
    with mirror.load():
        wait_until(lambda: is_paused(paused), "a consumer that has folded and not stored")
        mirror.consumer()
        head = mirror.log.head()
        wait_until(lambda: mirror.has_folded_beyond(head), "the lanes' new owner")
        paused.resume()
        time.sleep(2)
    mirror.check()


@pytest.mark.parametrize("broker", ["embedded"], indirect=True)
@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "stopped"])
def test_a_consumer_killed_or_stopped_inside_its_transaction_holds_up_nobody_and_folds_nothing_twice(mirror, is_killed):
    mirror.relay()
    gone = mirror.consumer(pause_at=100, place="commit")
    with mirror.load():
        wait_until(lambda: is_paused(gone), "a consumer in its transaction")
        if is_killed:
            gone.kill()
        mirror.consumer()
        heads = mirror.log.lane_heads()
        wait_until(lambda: mirror.has_folded_up_to(heads), "the lanes' new owner", SOON_SECONDS)
        if not is_killed:
            gone.resume()
        time.sleep(2)
    mirror.check()


# Brokers ------------------------------------------------------------------------------------------------------


def test_a_broker_killed_and_started_again_under_load_loses_nothing(mirror):
    mirror.relay()
    mirror.consumer()
    with mirror.load():
        for _ in range(2):
            wait_until(lambda: mirror.copies() > 0, "records")
            mirror.broker.running.kill()
            time.sleep(1)
            mirror.broker.restart()
            time.sleep(1)
    mirror.check(kafka_is_complete=isinstance(mirror.broker, Apache))


def test_a_broker_that_is_wiped_under_load_loses_nothing(mirror):
    mirror.relay()
    mirror.consumer()
    with mirror.load():
        wait_until(lambda: mirror.copies() > 0, "records")
        mirror.broker.running.kill()
        mirror.broker.wipe()
        wait_until(lambda: mirror.copies() > 0, "records in the new one")
    mirror.check(kafka_is_complete=False)


def test_an_empty_broker_is_no_empty_log(mirror):
    """All events were copied, and are gone, before the first consumer comes; no new one follows."""
    save_users(mirror.log, 50)
    relay = mirror.relay()
    wait_until(mirror.has_copied_all, "the whole log in Kafka")
    mirror.broker.running.kill()
    mirror.broker.wipe()
    mirror.consumer()
    mirror.check(kafka_is_complete=False)
    assert relay.process.poll() is None


# Filling it again ---------------------------------------------------------------------------------------------


def test_a_wiped_broker_that_is_filled_again_holds_the_log_from_its_start(mirror):
    save_users(mirror.log, 100)
    mirror.relay()
    mirror.consumer()
    wait_until(mirror.has_copied_all, "the whole log in Kafka")
    mirror.broker.running.kill()
    mirror.broker.wipe()
    following = mirror.refill(1)
    assert next(found for found in following if found.is_refilling).refill.last == 200
    with mirror.load():
        list(following)
        wait_until(lambda: mirror.log.head() > 400, "load")
    mirror.check()


def test_a_relay_killed_while_it_fills_a_broker_again_is_followed_by_one_that_goes_on(mirror):
    save_users(mirror.log, (MAX_EVENTS + IN_THE_BATCH) // 2)
    copying = mirror.relay()
    wait_until(mirror.has_copied_all, "the whole log in Kafka")
    mirror.broker.running.kill()
    copying.kill()
    mirror.broker.wipe()
    mirror.consumer()
    following = mirror.refill(1)
    filling = mirror.relay(pause_at=MAX_EVENTS + IN_THE_BATCH)
    wait_until(lambda: is_paused(filling), "a relay that has filled it in part")
    assert 0 < len(mirror.copied()) < mirror.log.head()
    filling.kill()
    mirror.relay()
    assert list(following)[-1].position == mirror.log.head()
    mirror.check()


# Apache Kafka alone: it keeps what it is told to keep ---------------------------------------------------------


@pytest.fixture
def kafka_mirror(mongo, apache) -> Iterator[Mirror]:
    with ExitStack() as programs:
        opened = Mirror(mongo, apache, programs)
        yield opened
        programs.close()
        opened.journal.close()
        opened.database.client.close()


def test_a_topic_replaced_by_an_empty_one_under_load_loses_nothing(kafka_mirror):
    mirror = kafka_mirror
    mirror.relay()
    mirror.consumer()
    with mirror.load():
        wait_until(lambda: mirror.copies() > 100, "records")
        mirror.broker.replace_topic()
        time.sleep(2)
    mirror.check(kafka_is_complete=False)


def test_the_last_hundred_records_are_lost_and_no_event_follows(kafka_mirror):
    mirror = kafka_mirror
    mirror.relay()
    consumer = mirror.consumer()
    save_users(mirror.log, 50)
    wait_until(lambda: mirror.has_copied_all() and mirror.has_folded_all(), "events that Kafka keeps")
    consumer.pause()
    mirror.broker.running.stop()
    mirror.broker.keep_copy()
    mirror.broker.restart()
    save_users(mirror.log, 50)
    wait_until(mirror.has_copied_all, "events that Kafka loses")
    mirror.broker.running.kill()
    mirror.broker.restore_copy()
    mirror.broker.restart()
    assert not mirror.has_copied_all()
    consumer.resume()
    mirror.check(kafka_is_complete=False)


def test_records_that_expired_while_a_consumer_was_away_are_read_from_the_log(kafka_mirror):
    mirror = kafka_mirror
    mirror.relay()
    consumer = mirror.consumer()
    save_users(mirror.log, 20)
    wait_until(mirror.has_folded_all, "events before it leaves")
    consumer.kill()
    save_users(mirror.log, 100)
    wait_until(mirror.has_copied_all, "events while it is away")
    mirror.broker.expire()
    save_users(mirror.log, 10)
    mirror.consumer()
    mirror.check(kafka_is_complete=False)
