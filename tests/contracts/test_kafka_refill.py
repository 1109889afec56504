"""What Kafka has lost is sent again on request, by whichever relay is active."""

import pytest

from adapters.kafka import refill
from adapters.kafka.progress import ROLE, Refill, progress
from adapters.kafka.refill import NoRelay, RequestLost
from tests.contracts.feed import save_users
from tests.contracts.mirroring import Relaying, mirrored, places, positions_by_lane, true_places
from tests.faults.processes import wait_until


def test_what_kafka_has_lost_is_sent_again_and_new_events_follow(log, database, broker):
    with Relaying(database, broker):
        save_users(log, 20)
        mirrored(broker, 40)
        broker.kill()
        broker.start()
        assert mirrored(broker, 1, patience=1.0) == []
        *_, last = refill.follow(database, refill.ask(database, 11))
        assert (last.position, last.refill) == (40, Refill(1, 11, 40))
        assert places(mirrored(broker, 30)) == true_places(log, 11)
        save_users(log, 1)
        records = mirrored(broker, 32)
    assert positions_by_lane(records) == positions_by_lane(records, sort=True)
    assert places(records) == true_places(log, 11)


def test_what_was_sent_again_is_not_sent_again_by_the_next_relay(log, database, broker):
    with Relaying(database, broker):
        save_users(log, 5)
        mirrored(broker, 10)
        list(refill.follow(database, refill.ask(database, 1)))
    with Relaying(database, broker):
        save_users(log, 5)
        wait_until(lambda: progress(database).position == 20, "the relay at the log's end")
    assert len(mirrored(broker, 31, patience=2.0)) == 30


def test_a_request_waits_for_kafka_and_says_so(log, database, broker):
    with Relaying(database, broker):
        save_users(log, 5)
        mirrored(broker, 10)
        broker.kill()
        following = refill.follow(database, refill.ask(database, 1))
        assert next(found for found in following if found.is_refilling and found.trouble).position == 0
        broker.start()
        list(following)
        records = mirrored(broker, 10)
    assert places(records) == true_places(log)
    assert positions_by_lane(records) == positions_by_lane(records, sort=True)


def test_a_request_from_beyond_what_is_copied_skips_nothing_and_is_taken_up_while_kafka_is_down(log, database, broker):
    broker.kill()
    with Relaying(database, broker):
        save_users(log, 10)
        wait_until(lambda: progress(database).trouble, "a relay that waits for Kafka")
        number = refill.ask(database, 15)
        wait_until(lambda: progress(database).refill, "the request taken up", 15)
        broker.start()
        list(refill.follow(database, number))
        records = mirrored(broker, 20)
    assert places(records) == true_places(log)


def test_a_request_that_nobody_takes_up_stays_for_the_next_relay(log, database, broker, monkeypatch):
    with pytest.raises(NoRelay, match="Start one"):
        refill.ask(database, 1)
    with Relaying(database, broker):
        save_users(log, 5)
        mirrored(broker, 10)
    number = refill.ask(database, 3)
    monkeypatch.setattr(refill, "SILENCE_SECONDS", 0.5)
    with pytest.raises(NoRelay, match="takes the request up"):
        list(refill.follow(database, number))
    monkeypatch.undo()
    with Relaying(database, broker):
        list(refill.follow(database, number))
        assert len(mirrored(broker, 18)) == 18


def test_later_requests_include_what_is_left_of_earlier_ones(log, database, broker):
    with Relaying(database, broker):
        save_users(log, 20)
        mirrored(broker, 40)
    one, two = refill.ask(database, 11), refill.ask(database, 31)
    broker.kill()
    broker.start()
    with Relaying(database, broker):
        for number in (one, two):
            *_, last = refill.follow(database, number)
            assert last.refill == Refill(2, 11, 40)
        records = mirrored(broker, 31, patience=2.0)
        three = refill.ask(database, 39)
        list(refill.follow(database, three))
        list(refill.follow(database, one))
        assert len(mirrored(broker, 32)) == 32
    assert places(records) == true_places(log, 11)
    assert len(records) == 30


def test_a_request_is_lost_with_the_lease_and_that_is_said(log, database, broker):
    save_users(log, 1)
    with Relaying(database, broker):
        mirrored(broker, 2)
    number = refill.ask(database, 1)
    database.leases.delete_one({"_id": ROLE})
    with pytest.raises(RequestLost, match="Ask again"):
        list(refill.follow(database, number))
