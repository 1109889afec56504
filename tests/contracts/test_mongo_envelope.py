"""What is written into the log can be read again, exactly; what is not understood is refused by name."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import get_type_hints
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mongo.commits import envelope
from adapters.mongo.commits.envelope import Envelope
from adapters.mongo.commits.payloads import Payload
from application.ports.log import Context, NewerSchema, UnknownEventType, UnreadableEvent
from domain.aggregate import Aggregate
from domain.events import EVENTS
from domain.execution import Execution, Limits, Outcome, Status
from domain.saga import Saga
from domain.sealed import Sealed
from domain.user import Role, User

times = st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is added
texts = st.text(st.characters(exclude_categories=["Cs"]))
seals = st.builds(Sealed, key=st.uuids(), size=st.integers(0, 2**40), box=st.binary(), chunks=st.just(("ab", "cd")))
floats = st.floats(allow_nan=False, allow_infinity=False)
limits = st.builds(Limits, wall_seconds=floats, cpus=floats, memory_bytes=st.integers(0, 2**53))
outcomes = st.builds(
    Outcome,
    status=st.sampled_from(Status),
    reason=texts,
    exit_code=st.none() | st.integers(-255, 255),
    wall_seconds=floats,
    cpu_seconds=floats,
)
contexts = st.builds(
    Context, actor=texts, at=times, correlation=st.uuids(), causation=st.none() | st.uuids(), trace=texts
)
streams = {"originator_id": st.uuids(), "originator_version": st.integers(1, 2**60), "timestamp": times}
events = st.one_of(
    st.builds(
        Execution.Requested,
        **streams,
        originator_topic=st.just("domain.execution:Execution"),
        owner=st.uuids(),
        language=texts,
        version=texts,
        script=seals,
        stdin=st.none() | seals,
        limits=limits,
        fingerprint=texts,
        environment=st.none() | seals,
        retry_of=st.none() | st.uuids(),
        stdin_open=st.booleans(),
    ),
    st.builds(
        Execution.InputGiven,
        **streams,
        offset=st.integers(0, 2**53),
        size=st.integers(0, 2**53),
        data=st.none() | seals,
        is_last=st.booleans(),
    ),
    st.builds(
        Saga.Begun,
        **streams,
        originator_topic=st.just("domain.saga:Saga"),
        execution=st.uuids(),
        owner=st.uuids(),
        sandbox=texts,
        start_by=times,
        end_by=times,
    ),
    st.builds(Execution.Started, **streams),
    st.builds(Execution.Finished, **streams, outcome=outcomes, output=st.none() | seals),
    st.builds(User.RoleChanged, **streams, role=st.sampled_from(Role)),
)


@given(contexts, events, st.integers(0, 31), st.integers(1, 2**60))
def test_every_event_is_read_as_it_was_written(context, event, lane, position):
    recorded = envelope.decode(position, envelope.encode(context, event, lane))
    assert recorded.data == event
    assert type(recorded.data) is type(event)
    assert (recorded.position, recorded.lane) == (position, lane)
    assert (recorded.stream, recorded.version) == (event.originator_id, event.originator_version)
    assert recorded.at == event.timestamp
    assert recorded.actor == context.actor
    assert recorded.correlation == context.correlation
    assert recorded.causation == context.causation
    assert recorded.trace == context.trace


def test_a_request_of_the_first_version_had_no_variables_repeated_nothing_and_took_no_more_input():
    sealed = {"key": str(uuid4()), "size": 1}
    old = {
        "owner": str(uuid4()),
        "language": "python",
        "version": "3.11",
        "script": sealed,
        "stdin": None,
        "limits": {},
        "fingerprint": "f",
    }
    fields = Payload(Execution.Requested).decode(msgspec.json.encode(old), 1)
    assert (fields["environment"], fields["retry_of"], fields["stdin_open"]) == (None, None, False)


def started() -> Execution.Started:
    return Execution.Started(originator_id=uuid4(), originator_version=2, timestamp=datetime(2026, 1, 1, tzinfo=UTC))


def written(**changes: object) -> bytes:
    """The envelope of a Started, changed as somebody else might have written it."""
    context = Context("operator", datetime(2026, 1, 1, tzinfo=UTC), uuid4())
    return msgspec.json.encode(msgspec.json.decode(envelope.encode(context, started(), 3)) | changes)


def test_keys_are_sorted_so_that_the_bytes_are_a_function_of_the_content():
    text = envelope.encode(Context("operator", datetime(2026, 1, 1, tzinfo=UTC), uuid4()), started(), 3).decode()
    names = list(msgspec.json.decode(text))
    assert names == sorted(names)
    assert set(names) == set(Envelope.__struct_fields__)
    assert " " not in text


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"type": "Execution.Vanished"}, UnknownEventType),
        ({"schema": 2}, NewerSchema),
        ({"data": {"color": "red"}}, UnreadableEvent),
        ({"data": []}, UnreadableEvent),
        ({"color": "red"}, UnreadableEvent),
        ({"stream": "not an id"}, UnreadableEvent),
    ],
)
def test_what_is_not_understood_is_refused_by_name(changes, error):
    with pytest.raises(error):
        envelope.decode(1, written(**changes))


def test_bytes_that_are_no_json_are_refused():
    with pytest.raises(UnreadableEvent):
        envelope.decode(1, b"\x00\xff")


def test_a_field_of_the_wrong_type_is_refused_before_it_is_written():
    event = User.RoleChanged(originator_id=uuid4(), originator_version=2, timestamp=datetime.now(UTC), role="king")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"User.RoleChanged.*king"):
        envelope.encode(Context("operator", datetime.now(UTC), uuid4()), event, 0)


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_every_event_type_has_a_closed_payload_of_its_own_fields(name):
    payload = Payload(EVENTS[name])
    own = set(get_type_hints(EVENTS[name])) - set(get_type_hints(Aggregate.Created)) - {"originator_id_type"}
    assert set(payload.struct.__struct_fields__) == own
    assert payload.struct.__struct_config__.forbid_unknown_fields


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


class Grown(Aggregate.Event):
    size: Size
    colour: str

    class_version = 3

    @staticmethod
    def upcast_v1_v2(fields: dict) -> None:
        fields["size"] = "large" if fields.pop("big") else "small"

    @staticmethod
    def upcast_v2_v3(fields: dict) -> None:
        fields["colour"] = "grey"


@pytest.mark.parametrize(
    ("schema", "data", "expected"),
    [
        (1, b'{"big":true}', {"size": Size.LARGE, "colour": "grey"}),
        (2, b'{"size":"small"}', {"size": Size.SMALL, "colour": "grey"}),
        (3, b'{"size":"small","colour":"red"}', {"size": Size.SMALL, "colour": "red"}),
    ],
)
def test_older_versions_are_upcast_when_read(schema, data, expected):
    assert Payload(Grown).decode(data, schema) == expected
