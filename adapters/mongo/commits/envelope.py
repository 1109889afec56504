"""An event and all that is known about it, as the bytes that stand in the log.

The bytes are JSON with sorted keys and no white space. They are written once; what is read is upcast, never rewritten.
"""

from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID, uuid4

import msgspec
from eventsourcing.domain import CanMutateAggregate
from eventsourcing.utils import get_topic

from adapters.mongo.commits.commits import Line
from adapters.mongo.commits.payloads import Payload
from application.ports.log import Context, Recorded, UnknownEventType, Unreadable, UnreadableEvent
from domain.aggregate import Aggregate
from domain.events import AGGREGATES, EVENTS

MAX_EVENT_BYTES = 256 * 1024
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of an event whose envelope is damaged."""


class EventTooLarge(ValueError):
    """An event is at most 256 KB in the log; seal large content into chunks and let the event carry their names."""


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `d` holds."""

    type: str
    schema: int
    """The version of the event's own fields."""
    stream: UUID
    version: int
    id: UUID
    at: datetime
    actor: str
    correlation: UUID
    causation: UUID | None
    trace: str
    lane: int
    data: msgspec.Raw
    """The event's own fields."""


_envelopes = msgspec.json.Decoder(Envelope)
_aggregates = {aggregate.name: aggregate for aggregate in AGGREGATES}
_names = {kind: name for name, kind in EVENTS.items()}


def encode(context: Context, event: CanMutateAggregate[UUID], lane: int) -> bytes:
    """Raises EventTooLarge, or TypeError for a field of the wrong type."""
    payload = payload_of(name_of(event))
    encoded = msgspec.json.encode(
        Envelope(
            type=name_of(event),
            schema=payload.schema,
            stream=event.originator_id,
            version=event.originator_version,
            id=uuid4(),
            at=event.timestamp,
            actor=context.actor,
            correlation=context.correlation,
            causation=context.causation,
            trace=context.trace,
            lane=lane,
            data=msgspec.Raw(payload.encode(event)),
        ),
        order="sorted",
    )
    if len(encoded) > MAX_EVENT_BYTES:
        raise EventTooLarge(f"{name_of(event)} takes {len(encoded)} bytes; {EventTooLarge.__doc__}")
    return encoded


def decode(position: int, data: bytes) -> Recorded:
    """Raises UnreadableEvent or one of its kinds, UnknownEventType and NewerSchema."""
    try:
        found = unwrap(data)
        return _recorded(position, found, _event(found))
    except UnreadableEvent as error:
        raise type(error)(f"The event at position {position} cannot be read. {error}") from error


def decode_or_tell(position: int, line: Line) -> Recorded:
    """The event, or one whose data is Unreadable: whoever follows a lane must not stop at it."""
    try:
        found = _envelopes.decode(line.data)
    except msgspec.DecodeError as error:
        return _damaged(position, line, str(error))
    try:
        return _recorded(position, found, _event(found))
    except UnreadableEvent as error:
        return _recorded(position, found, Unreadable(str(error)))


def _damaged(position: int, line: Line, reason: str) -> Recorded:
    """Only what stands beside the envelope is known."""
    unknown = UUID(int=0)
    return Recorded(
        position,
        line.lane,
        line.stream,
        line.version,
        line.type,
        unknown,
        NEVER,
        "",
        unknown,
        None,
        "",
        Unreadable(reason),
    )


def _recorded(position: int, envelope: Envelope, data: Any) -> Recorded:
    return Recorded(
        position=position,
        lane=envelope.lane,
        stream=envelope.stream,
        version=envelope.version,
        type=envelope.type,
        id=envelope.id,
        at=envelope.at,
        actor=envelope.actor,
        correlation=envelope.correlation,
        causation=envelope.causation,
        trace=envelope.trace,
        data=data,
    )


def unwrap(data: bytes) -> Envelope:
    """All but the event's own fields, for those who pass it on. Raises UnreadableEvent."""
    try:
        return _envelopes.decode(data)
    except msgspec.DecodeError as error:
        raise UnreadableEvent(str(error)) from error


def name_of(event: CanMutateAggregate[UUID]) -> str:
    """The name an event's type is stored under."""
    return _names[type(event)]


@cache
def payload_of(name: str) -> Payload:
    """How the events of one type are written. Raises UnknownEventType."""
    if name not in EVENTS:
        raise UnknownEventType(f"{name}: {UnknownEventType.__doc__}")
    return Payload(EVENTS[name])


def _event(envelope: Envelope) -> CanMutateAggregate[UUID]:
    fields = payload_of(envelope.type).decode(envelope.data, envelope.schema)
    kind = EVENTS[envelope.type]
    event: CanMutateAggregate[UUID] = kind(**_library_fields(envelope, kind), **fields)
    return event


def _library_fields(envelope: Envelope, kind: type) -> dict[str, object]:
    fields: dict[str, object] = {
        "originator_id": envelope.stream,
        "originator_version": envelope.version,
        "timestamp": envelope.at,
    }
    if issubclass(kind, Aggregate.Created):
        fields["originator_topic"] = get_topic(_aggregates[envelope.type.split(".")[0]])
    return fields
