"""The headers of a mirrored event: those of CloudEvents 1.0 (Kafka protocol binding, binary mode), and its place."""

from collections.abc import Mapping
from uuid import UUID

import msgspec

from adapters.mongo.envelope import Envelope

Headers = list[tuple[str, str | bytes | None]]


class UnreadableHeaders(Exception):
    """This record was not written by a relay."""


class Place(msgspec.Struct, frozen=True):
    """Where an event stands, in which store."""

    store: UUID
    position: int
    previous: int
    """The position before it in its lane; 0 for the lane's first."""


def encode(place: Place, envelope: Envelope) -> Headers:
    """All headers; those without a value are left out."""
    values = {
        "ce_specversion": "1.0",
        "ce_id": str(envelope.id),
        "ce_source": f"/runledger/{place.store}",
        "ce_type": envelope.type,
        "ce_subject": str(envelope.stream),
        "ce_time": envelope.at.isoformat(),
        "content-type": "application/json",
        "store": str(place.store),
        "position": str(place.position),
        "previous": str(place.previous),
        "version": str(envelope.version),
        "correlation": str(envelope.correlation),
        "causation": str(envelope.causation or ""),
        "traceparent": envelope.trace,
    }
    return [(name, value.encode()) for name, value in values.items() if value]


def place(headers: Headers) -> Place:
    """Raises UnreadableHeaders."""
    values = {name: value.decode() for name, value in headers if isinstance(value, bytes)}
    try:
        return msgspec.convert(_of_place(values), Place, strict=False)
    except (KeyError, msgspec.ValidationError) as error:
        raise UnreadableHeaders(f"{UnreadableHeaders.__doc__} {error}") from error


def _of_place(values: Mapping[str, str]) -> dict[str, str]:
    return {name: values[name] for name in Place.__struct_fields__}
