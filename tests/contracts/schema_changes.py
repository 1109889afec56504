"""What may become of a field, and what may not; and a field's type as the schema of an event that has it."""

from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from adapters.schemas.record import schema_of
from domain.aggregate import Aggregate


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Fewer(StrEnum):
    RED = "red"


class More(StrEnum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


class Size(msgspec.Struct, forbid_unknown_fields=True):
    height: int
    depth: int = 5


class Deeper(msgspec.Struct, forbid_unknown_fields=True):
    height: int
    depth: int = 6


class Wider(msgspec.Struct, forbid_unknown_fields=True):
    height: int
    depth: int = 5
    width: int = 0


class Demanding(msgspec.Struct, forbid_unknown_fields=True):
    height: int
    width: int
    depth: int = 5


class Flat(msgspec.Struct, forbid_unknown_fields=True):
    height: int


class Easy(msgspec.Struct, forbid_unknown_fields=True):
    height: int = 0
    depth: int = 5


COMPATIBLE = [
    (int, int),
    (int, float),
    (str, str | None),
    (bytes, bytes | None),
    (UUID, str),
    (UUID, UUID | None),
    (str, int | str),
    (int | None, float | None),
    (int | None, int | str | None),
    (Colour, More),
    (Colour | None, More | None),
    (Size, Wider),
    (Size, Easy),
    (Size | None, Wider | None),
    (list[Size], list[Wider]),
    (dict[str, Size], dict[str, Wider]),
    (Size, Any),
    (Colour, Any),
    (int | None, Any),
]
INCOMPATIBLE = [
    (int, str, "was integer and is string now"),
    (float, int, "was number and is integer now"),
    (int | None, int, "can no longer be null"),
    (int | None, str | None, "can no longer be integer"),
    (int, str | None, "can no longer be integer"),
    (More, Colour, 'can no longer be "green"'),
    (More, Colour | None, 'can no longer be "blue" or "green" or "red"'),
    (str, Colour, 'was string and is "blue" or "red" now'),
    (Colour, int, 'was "blue" or "red" and is integer now'),
    (str, UUID, 'has another format: "uuid" instead of null'),
    (bytes, str, 'has another contentEncoding: null instead of "base64"'),
    (str, bytes, 'has another contentEncoding: "base64" instead of null'),
    (Any, int, "was anything and is integer now"),
    (Size, int, "was Size and is integer now"),
    (list[int], list[str], "[] was integer and is string now"),
    (dict[str, int], dict[str, str], "{} was integer and is string now"),
    (Size, Demanding, ".width is new and has no default"),
    (Easy, Size, ".height has no default any more"),
    (Size, Flat, ".depth is gone"),
    (Size, Deeper, ".depth has another default: 6 instead of 5"),
    (Size | None, Flat | None, ".depth is gone"),
    (list[Size], list[Demanding], "[].width is new and has no default"),
]
REFUSED_BY_REGISTRIES = [
    (int, int | None, "was integer and is integer or null now"),
    (int, float | None, "was integer and is number or null now"),
    (Size, Wider | None, "was Size and is Wider or null now"),
    (Colour, More | None, 'was "blue" or "red" and is "blue" or "green" or "red" or null now'),
    (list[int], list[int] | None, "was array and is array or null now"),
    (Colour, str, 'was "blue" or "red" and is string now'),
]
"""What was written can be read, but Apicurio says that it cannot."""


def schema_with(it: object) -> dict[str, Any]:
    """The schema of an event with one field, `it`, of this type."""
    return schema_of("Thing.Happened", type("Happened", (Aggregate.Event,), {"__annotations__": {"it": it}}))
