"""How the own fields of each event class are written and read: as a closed msgspec Struct made from its annotations."""

import dataclasses
from typing import Any, get_type_hints
from uuid import UUID

import msgspec
from eventsourcing.domain import AggregateCreated, CanMutateAggregate

from application.ports.log import NewerSchema, UnreadableEvent
from domain.aggregate import Aggregate

_LIBRARY_FIELDS = frozenset(field.name for field in dataclasses.fields(AggregateCreated))
"""What the library puts into each event; all of it stands in, or follows from, the envelope."""


class Payload:
    """One event class's own fields as JSON.

    Its schema version is the library's `class_version` (1 when it has none). Events of older versions go through its
    static methods `upcast_v1_v2(fields)`, `upcast_v2_v3(fields)` …, each of which changes a dict of plain JSON values.
    """

    def __init__(self, kind: type[Aggregate.Event]) -> None:
        self._kind = kind
        self.schema: int = getattr(kind, "class_version", 1)
        self.struct = _struct(kind)
        self._decoder = msgspec.json.Decoder(self.struct)

    def encode(self, event: CanMutateAggregate[UUID]) -> bytes:
        """Raises TypeError for a field of the wrong type: nothing gets into the log that could not be read again."""
        fields = self.struct(**{name: getattr(event, name) for name in self.struct.__struct_fields__})
        encoded = msgspec.json.encode(fields, order="sorted")
        try:
            self._decoder.decode(encoded)
        except msgspec.DecodeError as error:
            raise TypeError(f"{self._kind.__qualname__}: {error}") from error
        return encoded

    def decode(self, data: bytes | msgspec.Raw, schema: int) -> dict[str, Any]:
        """The own fields, upcast to the newest version. Raises NewerSchema or UnreadableEvent."""
        if schema > self.schema:
            raise NewerSchema(
                f"{self._kind.__qualname__} has schema version {schema}, and {self.schema} is the newest known here: "
                f"{NewerSchema.__doc__}"
            )
        try:
            fields = self._decoder.decode(self._upcast(data, schema) if schema < self.schema else data)
        except msgspec.DecodeError as error:
            raise UnreadableEvent(f"{self._kind.__qualname__}: {error}") from error
        return msgspec.structs.asdict(fields)

    def _upcast(self, data: bytes | msgspec.Raw, schema: int) -> bytes:
        fields = msgspec.json.decode(data)
        for version in range(schema, self.schema):
            getattr(self._kind, f"upcast_v{version}_v{version + 1}")(fields)
        return msgspec.json.encode(fields)


def _struct(kind: type[Aggregate.Event]) -> type[msgspec.Struct]:
    types = get_type_hints(kind, include_extras=True)
    own = [field for field in dataclasses.fields(kind) if field.name not in _LIBRARY_FIELDS]
    return msgspec.defstruct(
        kind.__qualname__, [(field.name, types[field.name]) for field in own], frozen=True, forbid_unknown_fields=True
    )
