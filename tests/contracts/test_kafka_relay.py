"""The relay copies everything, in order, once or again, and only one is active."""

import threading
import time

import pytest

from adapters.kafka import headers
from adapters.mongo import envelope, leases
from adapters.mongo.leases import Lease, LeaseLost
from tests.contracts.feed import by_lane, save_users
from tests.contracts.mirroring import Relaying, mirrored


def test_every_event_is_there_in_its_lane_with_its_place(log, database, broker):
    with Relaying(database, broker):
        save_users(log, 20)
        records = mirrored(broker, 40)
    events = {event.position: event for event in log.read(0, 100)}
    last = dict.fromkeys(range(8), 0)
    for record in records:
        place = headers.place(record.headers())
        event = envelope.decode(place.position, record.value())
        assert event == events.pop(place.position)
        assert (record.partition(), record.key()) == (event.lane, str(event.stream).encode())
        assert place.store == log.store.id
        assert place.previous == last[event.lane]
        last[event.lane] = place.position
    assert events == {}


def test_headers_are_those_of_a_cloud_event(log, database, broker):
    with Relaying(database, broker):
        save_users(log, 1)
        values = dict(mirrored(broker, 1)[0].headers())
    event = log.read(0, 1)[0]
    assert values["ce_specversion"] == b"1.0"
    assert values["ce_id"] == str(event.id).encode()
    assert values["ce_type"] == b"User.Registered"
    assert values["ce_time"] == event.at.isoformat().encode()
    assert values["ce_subject"] == str(event.stream).encode()
    assert values["traceparent"] == event.trace.encode()
    assert values["correlation"] == str(event.correlation).encode()
    assert values["causation"] == str(event.causation).encode()


def test_goes_on_where_the_last_one_stopped(log, database, broker):
    with Relaying(database, broker):
        save_users(log, 10)
        mirrored(broker, 20)
    with Relaying(database, broker):
        save_users(log, 10)
        records = mirrored(broker, 40)
        time.sleep(0.5)
    assert len(mirrored(broker, 41, patience=2.0)) == 40
    places = [headers.place(record.headers()) for record in records]
    for mine in by_lane(log.read(0, 100)).values():
        positions = [event.position for event in mine]
        found = [place for place in places if place.position in positions]
        assert [place.previous for place in found] == [0, *positions[:-1]]


def test_copies_what_was_saved_while_kafka_was_down(log, database, broker):
    with Relaying(database, broker):
        save_users(log, 2)
        mirrored(broker, 4)
        broker.kill()
        save_users(log, 5)
        time.sleep(6)  # longer than one attempt to deliver takes
        broker.start()
        save_users(log, 1)
        positions = {headers.place(record.headers()).position for record in mirrored(broker, 12)}
    assert positions >= set(range(5, 17))


def test_one_relay_of_two_is_active_and_the_other_takes_over(log, database, broker):
    with Relaying(database, broker):
        save_users(log, 1)
        mirrored(broker, 2)
        with Relaying(database, broker):
            save_users(log, 5)
            assert len(mirrored(broker, 12)) == 12
    with Relaying(database, broker):
        save_users(log, 1)
        assert len(mirrored(broker, 14)) == 14


# The lease ----------------------------------------------------------------------------------------------------


def test_a_lease_is_held_by_one_until_it_is_released(database):
    one, two = Lease(database, "role"), Lease(database, "role")
    assert one.acquire() == {}
    assert two.acquire() is None
    one.keep({"position": 5})
    assert two.acquire() is None
    one.release({"position": 7})
    assert two.acquire() == {"position": 7}


def test_a_lease_that_is_not_renewed_for_a_term_is_taken_and_its_old_holder_fenced(database, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(leases, "monotonic", lambda: now[0])
    one, two = Lease(database, "role"), Lease(database, "role")
    one.acquire()
    one.keep({"position": 5})
    for _ in range(10):
        assert two.acquire() is None
        now[0] += 1.0
        one.keep({"position": 5})
    assert two.acquire() is None
    now[0] += 6.1
    assert two.acquire() == {"position": 5}
    for change in (one.keep, one.release):
        with pytest.raises(LeaseLost):
            change({"position": 9})
    two.keep({"position": 6})


def test_of_many_one_takes_a_free_lease(database):
    first = Lease(database, "role")
    first.acquire()
    first.release({})
    many = [Lease(database, "role") for _ in range(10)]
    threads = [threading.Thread(target=lambda lease: taken.append(lease.acquire()), args=[lease]) for lease in many]
    taken = []
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([state for state in taken if state is not None]) == 1
