"""How a record's value says which schema it has: a zero byte, the schema's id in four, then the value.

Clients of schema registries expect this ("wire format" in Confluent's documentation).
"""

import struct
from collections.abc import Callable

from adapters.mongo.commits import envelope
from adapters.schemas.record import Record

Framing = Callable[[bytes], bytes]
"""What the relay does with an event's bytes. May raise RegistryTrouble; then it tries again."""

MAGIC = b"\x00"
FRAME = struct.Struct(">cI")


def plain(value: bytes) -> bytes:
    """Without a registry, the value stays as it stands in the log."""
    return value


def framed(id_of: Callable[[Record], int]) -> Framing:
    """With the id of its schema in front."""

    def frame(value: bytes) -> bytes:
        found = envelope.unwrap(value)
        return FRAME.pack(MAGIC, id_of(Record(found.type, found.schema))) + value

    return frame


def unframed(value: bytes) -> bytes:
    """The value as it stands in the log. A topic may hold both kinds, for a registry may be added later."""
    return value[FRAME.size :] if value.startswith(MAGIC) else value
