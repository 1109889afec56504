"""The check of the log finds nothing in a sound one, and whatever is wrong with another; no server is needed."""

import zlib
from datetime import timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from adapters.mongo.commits import envelope
from adapters.mongo.commits.commits import Commit, Line, document
from adapters.mongo.log.integrity import Integrity
from application.ledger import Finding, Flaw
from domain.execution import Execution, Limits
from domain.sealed import Sealed
from domain.user import Role
from tests.contracts.event_log import NOON, OPERATOR, new_user

LANES = 8


def lane_of(stream):
    return zlib.crc32(stream.bytes) % LANES


def findings(log, head=None):
    integrity = Integrity(lane_of, LANES)
    found = [finding for commit in log for finding in integrity.check(commit)]
    return found + list(integrity.end(head or log[-1]["z"]))


def flaws(log, head=None):
    return [(finding.position, finding.flaw) for finding in findings(log, head)]


def commit(first, *events, at=NOON):
    """A document as the writer makes it and the driver gives it back."""
    lines = [
        Line(
            event.originator_id,
            event.originator_version,
            envelope.name_of(event),
            lane_of(event.originator_id),
            envelope.encode(OPERATOR, event, lane_of(event.originator_id)),
        )
        for event in events
    ]
    made = document(first, at, [Commit(lines)])
    return made | {"k": [bytes(key) for key in made["k"]]}


@pytest.fixture
def log():
    """Positions 1 to 6 in four commits: two users, of whom one goes on to version 4."""
    ada, bob = new_user(UUID(int=1)), new_user(UUID(int=2))
    for role in (Role.ADMIN, Role.USER, Role.ADMIN):
        ada.change_role(role, NOON)
    first, second, third, fourth = ada.pending_events
    (other,) = bob.pending_events
    bob.log_in(NOON)
    return [
        commit(1, first, second),
        commit(3, other),
        commit(4, third, at=NOON + timedelta(seconds=1)),
        commit(5, fourth, bob.pending_events[1], at=NOON + timedelta(seconds=1)),
    ]


def test_nothing_is_found_in_a_sound_log(log):
    assert findings(log) == []


def test_an_empty_log_is_sound():
    assert list(Integrity(lane_of, LANES).end(0)) == []


# Positions ----------------------------------------------------------------------------------------------------


def test_a_missing_commit_is_a_hole_and_a_gap_in_its_stream(log):
    del log[2]
    assert findings(log) == [
        Finding(4, Flaw.POSITION, "position 4 is missing"),
        Finding(5, Flaw.VERSION, f"stream {UUID(int=1)} goes from version 2 to 4"),
    ]


def test_a_missing_beginning_and_a_missing_end_are_holes(log):
    assert (1, Flaw.POSITION) in flaws(log[1:])
    assert findings(log[:2], head=6) == [Finding(4, Flaw.POSITION, "positions 4 to 6 are missing")]


def test_a_commit_that_is_there_twice_is_found(log):
    assert flaws([*log[:2], log[1], *log[2:]]) == [(3, Flaw.POSITION), (3, Flaw.VERSION)]


@pytest.mark.parametrize("change", [{"n": 3}, {"z": 3}, {"n": 3, "z": 3}])
def test_a_commit_that_does_not_hold_what_it_says_is_found(log, change):
    log[0] |= change
    assert flaws(log) == [(1, Flaw.SHAPE)]


@pytest.mark.parametrize("change", [{"at": "noon"}, {"e": None}, {"extra": 1}, {"z": "2"}, {"st": [b"x"]}])
def test_what_is_no_commit_is_found(log, change):
    log[3] |= change
    assert flaws(log, head=6) == [(5, Flaw.SHAPE), (5, Flaw.POSITION)]


def test_a_commit_time_that_falls_is_found(log):
    log[3]["at"] = NOON
    assert flaws(log) == [(5, Flaw.TIME)]


@pytest.mark.parametrize("field", ["k", "st", "l"])
def test_index_fields_that_are_not_those_of_the_events_are_found(log, field):
    log[3][field] = log[3][field][::-1] if len(log[3][field]) > 1 else []
    (finding,) = findings(log)
    assert finding == Finding(5, Flaw.KEYS, f"the field {field} of commit 5 is not that of its events")


# Events -------------------------------------------------------------------------------------------------------


def rewritten(log, number, index, **changes):
    """The same log with fields of one event changed wherever they stand in its commit, so that all agree."""
    event = log[number]["e"][index]
    names = {"stream": "s", "version": "v", "type": "t", "lane": "lane"}
    found = msgspec.json.decode(event["d"])
    event |= {names[name]: value for name, value in changes.items() if name in names}
    event["d"] = msgspec.json.encode(found | changes)
    events = log[number]["e"]
    log[number] |= {
        "st": list(dict.fromkeys(one["s"] for one in events)),
        "l": list(dict.fromkeys(one["lane"] for one in events)),
        "k": [one["s"].bytes + one["v"].to_bytes(8, "big") for one in events],
    }
    return log


@pytest.mark.parametrize(
    ("changes", "flaw"),
    [
        ({"version": 7}, Flaw.VERSION),
        ({"version": 2}, Flaw.VERSION),
        ({"lane": (lane_of(UUID(int=1)) + 1) % LANES}, Flaw.LANE),
        ({"type": "User.Vanished"}, Flaw.UNKNOWN_TYPE),
        ({"schema": 9}, Flaw.NEWER_SCHEMA),
        ({"data": {"role": "king"}}, Flaw.UNREADABLE),
        ({"data": {}}, Flaw.UNREADABLE),
        ({"colour": "red"}, Flaw.ENVELOPE),
    ],
)
def test_an_event_that_is_not_as_it_must_be_is_found(log, changes, flaw):
    assert flaws(rewritten(log, 3, 0, **changes)) == [(5, flaw)]


def test_a_version_that_comes_again_is_found_once(log):
    rewritten(log, 2, 0, version=1)
    assert [finding.detail for finding in findings(log)] == [
        f"stream {UUID(int=1)} goes from version 2 to 1",
        f"stream {UUID(int=1)} goes from version 2 to 4",
    ]


@pytest.mark.parametrize("lane", [-1, LANES])
def test_a_lane_that_there_is_not_is_found(log, lane):
    assert flaws(rewritten(log, 3, 0, type="Parcel.Sent", lane=lane)) == [(5, Flaw.LANE), (5, Flaw.UNKNOWN_TYPE)]


@pytest.mark.parametrize("changes", [{"stream": str(uuid4())}, {"version": 9}, {"type": "User.LoggedIn"}, {"lane": 7}])
def test_an_envelope_that_disagrees_with_its_commit_is_found(log, changes):
    event = log[3]["e"][0]
    event["d"] = msgspec.json.encode(msgspec.json.decode(event["d"]) | changes)
    ((name, value),) = changes.items()
    assert Finding(5, Flaw.ENVELOPE, f"the envelope says {name} {value}, its commit {stands(event, name)}") in findings(
        log
    )


def stands(event, name):
    return event[{"stream": "s", "version": "v", "type": "t", "lane": "lane"}[name]]


def test_bytes_that_are_no_envelope_are_found_and_the_rest_is_checked(log):
    log[3]["e"][0]["d"] = b"\x00\xff"
    log[3]["e"][1]["lane"] = 99
    assert flaws(log) == [(5, Flaw.KEYS), (5, Flaw.ENVELOPE), (6, Flaw.LANE), (6, Flaw.ENVELOPE)]


def test_a_stream_of_an_unknown_kind_stays_in_one_lane(log):
    rewritten(log, 2, 0, type="Parcel.Sent", lane=3)
    assert flaws(log) == [(4, Flaw.UNKNOWN_TYPE)]
    assert flaws(rewritten(log, 3, 0, type="Parcel.Lost", lane=4)) == [
        (4, Flaw.UNKNOWN_TYPE),
        (5, Flaw.LANE),
        (5, Flaw.UNKNOWN_TYPE),
    ]


def test_sealed_content_is_handed_over_with_its_position():
    script, output = (Sealed(key=uuid4(), size=40_000, chunks=(name,)) for name in ("ab", "cd"))
    run = Execution(
        id=uuid4(),
        owner=uuid4(),
        language="python",
        version="3.11",
        script=script,
        stdin=output,
        limits=Limits(),
        fingerprint="",
        timestamp=NOON,
    )
    integrity = Integrity(lane_of, LANES)
    assert list(integrity.check(commit(1, *run.pending_events))) == []
    assert integrity.take_sealed() == [(1, script), (1, output)]
    assert integrity.take_sealed() == []
