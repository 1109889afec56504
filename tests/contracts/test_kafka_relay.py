"""The relay copies everything, in order, once or again, and only one is active."""

import threading
import time
from uuid import uuid4

import msgspec
import pytest

from adapters.kafka import headers
from adapters.kafka.progress import ROLE, progress
from adapters.mongo import leases
from adapters.mongo.commits import envelope
from adapters.mongo.commits.heads import RECENT
from adapters.mongo.leases import Lease, LeaseLost
from tests.contracts.feed import by_lane, save_users
from tests.contracts.mirroring import Relaying, mirrored, places, true_places
from tests.faults.processes import wait_until


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


# Where the cursor is not what it should be ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "first"),
    [({"position": 20}, 21), ({"position": 15, "lanes": {"0": 1, "3": 2}}, 16), ({}, 1)],
    ids=["without its lanes", "with wrong ones", "lost"],
)
def test_where_each_lane_was_is_found_in_the_log(log, database, broker, state, first):
    save_users(log, 20)
    database.leases.insert_one({"_id": ROLE, "epoch": 7, "beat": 0, "is_free": True, "state": state})
    with Relaying(database, broker):
        records = mirrored(broker, 41 - first)
    assert places(records) == true_places(log, first)


def test_a_cursor_within_a_commit_and_behind_the_last_hundreds_finds_its_lanes(log, database, broker):
    save_users(log, 1)
    lines = [line for _, line in log._journal.reading.after(0, 2)]
    rare = [msgspec.structs.replace(line, stream=uuid4(), lane=lane) for lane in (2, 5) for line in lines]
    log._journal.append(rare)
    crowd = [msgspec.structs.replace(line, stream=uuid4(), lane=1) for _ in range(RECENT) for line in lines]
    log._journal.append(crowd)
    at = log.head() - 3
    lanes = [(position, line.lane) for position, line in log._journal.reading.after(0, at)]
    assert log._journal.lane_heads.at(at) == {lane: position for position, lane in lanes}


def test_a_cursor_beyond_the_log_goes_back_to_its_end(log, database, broker):
    save_users(log, 5)
    database.leases.insert_one({"_id": ROLE, "epoch": 7, "beat": 0, "is_free": True, "state": {"position": 25}})
    with Relaying(database, broker):
        wait_until(lambda: database.leases.find_one({"_id": ROLE})["state"]["position"] == 10, "the true end")
        save_users(log, 5)
        assert places(mirrored(broker, 10)) == true_places(log, 11)


def test_an_event_that_cannot_be_read_stops_the_relay_alone_which_says_why(log, database, broker):
    save_users(log, 10)
    commits = database.commits.find().sort("_id")
    commit = next(one for one in commits if one["_id"] <= 7 <= one["z"])
    whole = commit["e"][7 - commit["_id"]]["d"]
    database.commits.update_one({"_id": commit["_id"]}, {"$set": {f"e.{7 - commit['_id']}.d": whole[:-1]}})
    with Relaying(database, broker):
        wait_until(lambda: "The event at position 7 cannot be read" in progress(database).trouble, "trouble")
        assert "Restore the log from a backup" in progress(database).trouble
        save_users(log, 5)
        time.sleep(1)
        assert [place.position for place in places(mirrored(broker, 7, patience=1.0))] == [1, 2, 3, 4, 5, 6]
        assert (progress(database).position, log.head()) == (6, 30)
        database.commits.update_one({"_id": commit["_id"]}, {"$set": {f"e.{7 - commit['_id']}.d": whole}})
        assert places(mirrored(broker, 30)) == true_places(log)


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
