"""The headers of a mirrored event: those of CloudEvents 1.0 (Kafka protocol binding, binary mode), and its place."""

from collections.abc import Mapping
from functools import cache
from uuid import UUID

import msgspec

from adapters.mongo.commits.envelope import Envelope

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
    return [
        *of_store(place.store),
        ("ce_id", str(envelope.id)),
        ("ce_type", envelope.type),
        ("ce_subject", str(envelope.stream)),
        ("ce_time", envelope.at.isoformat()),
        ("position", str(place.position)),
        ("previous", str(place.previous)),
        ("version", str(envelope.version)),
        ("correlation", str(envelope.correlation)),
        *([("causation", str(envelope.causation))] if envelope.causation else ()),
        *([("traceparent", envelope.trace)] if envelope.trace else ()),
    ]


@cache
def of_store(store: UUID) -> Headers:
    """What all its events have in common."""
    return [
        ("ce_specversion", "1.0"),
        ("ce_source", f"/runledger/{store}"),
        ("content-type", "application/json"),
        ("store", str(store)),
    ]


def place(headers: Headers) -> Place:
    """Raises UnreadableHeaders."""
    values = {name: value.decode() for name, value in headers if isinstance(value, bytes)}
    try:
        return msgspec.convert(_of_place(values), Place, strict=False)
    except (KeyError, msgspec.ValidationError) as error:
        raise UnreadableHeaders(f"{UnreadableHeaders.__doc__} {error}") from error


def _of_place(values: Mapping[str, str]) -> dict[str, str]:
    return {name: values[name] for name in Place.__struct_fields__}
