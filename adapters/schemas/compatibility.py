"""Whether all that one JSON Schema allowed can still be read under another; for the schemas that msgspec writes.

What is not understood here counts as no longer readable. What passes must pass every registry's own check as well, or
events would stop at it: the tests hold that against Apicurio.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from adapters.schemas.record import Schema

ANNOTATIONS = frozenset({"$schema", "$defs", "title", "description", "examples", "discriminator"})
"""They say nothing about what is allowed."""
COMPARED = frozenset({"type", "enum", "properties", "required", "additionalProperties", "items", "default"})
WIDER = {("integer", "number")}


class Narrowing(NamedTuple):
    """Something that was allowed and is no longer."""

    field: str
    """Its path, such as `data.limits.cpus`; empty for the whole."""
    what: str
    """In words that follow the field's name."""
    is_readable: bool = False
    """Whether only registries mind: Apicurio takes some changes for narrower which are wider."""


def narrowings(old: Schema, new: Schema) -> list[Narrowing]:
    """Empty when everything written under the old one can be read under the new one, and means the same."""
    return list(_values("", _expanded(old, old.get("$defs", {})), _expanded(new, new.get("$defs", {}))))


def _expanded(node: Any, definitions: Schema) -> Any:
    """With what `$ref` names in its place."""
    if isinstance(node, list):
        return [_expanded(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        others = {key: value for key, value in node.items() if key != "$ref"}
        return _expanded(definitions[node["$ref"].removeprefix("#/$defs/")] | others, definitions)
    return {key: _expanded(value, definitions) for key, value in node.items() if key != "$defs"}


def _values(field: str, old: Schema, new: Schema) -> Iterator[Narrowing]:
    yield from _defaults(field, old, new)
    if "anyOf" in old or "anyOf" in new:
        yield from _unions(field, old, new)
    elif "enum" in old or "enum" in new:
        yield from _enums(field, old, new)
    elif not _has_type(old, new):
        yield _changed(field, old, new)
    else:
        yield from _parts(field, old, new)
        yield from _keywords(field, old, new)


def _unions(field: str, old: Schema, new: Schema) -> Iterator[Narrowing]:
    choices = [_without_default(choice) for choice in new.get("anyOf", [new])]
    for kind in map(_without_default, old.get("anyOf", [old])):
        tried = [list(_values(field, kind, choice)) for choice in choices]
        if all(tried):
            nearest = [found for found in tried if found[0].field != field]
            yield from nearest[0] if nearest else [Narrowing(field, f"can no longer be {_words(kind)}")]
            return
    if "anyOf" not in old and old.get("type") != "string":
        yield _changed(field, old, new, is_readable=True)


def _parts(field: str, old: Schema, new: Schema) -> Iterator[Narrowing]:
    if old.get("type") == "object":
        yield from _properties(field, old, new)
    if "items" in old or "items" in new:
        yield from _rest(f"{field}[]", old.get("items", {}), new.get("items", {}))


def _properties(field: str, old: Schema, new: Schema) -> Iterator[Narrowing]:
    before, after = old.get("properties", {}), new.get("properties", {})
    rest = new.get("additionalProperties", {})
    for name, schema in before.items():
        yield from _rest(_within(field, name), schema, after.get(name, rest))
    for name in _added(old.get("required", []), new.get("required", [])):
        how = "has no default any more" if name in before else "is new and has no default"
        yield Narrowing(_within(field, name), how)
    yield from _rest(f"{field}{{}}", old.get("additionalProperties", {}), rest)


def _rest(field: str, old: Schema | bool, new: Schema | bool) -> Iterator[Narrowing]:
    """Compares what may be no schema but a yes or a no."""
    if old is False or new is True:
        return
    if new is False:
        yield Narrowing(field, "is gone")
        return
    yield from _values(field, {} if old is True else old, new)


def _defaults(field: str, old: Schema, new: Schema) -> Iterator[Narrowing]:
    """What was written without the field would mean something else."""
    if "default" in old and "default" in new and old["default"] != new["default"]:
        yield Narrowing(field, f"has another default: {_json(new['default'])} instead of {_json(old['default'])}")


def _enums(field: str, old: Schema, new: Schema) -> Iterator[Narrowing]:
    if "enum" in old and "enum" in new:
        gone = [value for value in old["enum"] if value not in new["enum"]]
        if gone:
            yield Narrowing(field, f"can no longer be {_choice(gone)}")
    elif new.keys() - ANNOTATIONS - {"default"}:
        yield _changed(field, old, new, is_readable=_takes(new, old.get("enum", [])))


def _takes(schema: Schema, values: list[object]) -> bool:
    """Whether a plain type is that of all these values."""
    kind = {"string": str, "integer": int}.get(schema.get("type", ""))
    return kind is not None and bool(values) and all(isinstance(value, kind) for value in values)


def _has_type(old: Schema, new: Schema) -> bool:
    before, after = old.get("type"), new.get("type")
    return after is None or before == after or (before, after) in WIDER


def _keywords(field: str, old: Schema, new: Schema) -> Iterator[Narrowing]:
    """Patterns, lengths, bounds: a new one narrows. How bytes are written must stay as it is in both directions."""
    for keyword in sorted((new.keys() | old.keys() & {"contentEncoding"}) - ANNOTATIONS - COMPARED):
        if old.get(keyword) != new.get(keyword):
            now, before = _json(new.get(keyword)), _json(old.get(keyword))
            yield Narrowing(field, f"has another {keyword}: {now} instead of {before}")


def _changed(field: str, old: Schema, new: Schema, is_readable: bool = False) -> Narrowing:
    return Narrowing(field, f"was {_words(old)} and is {_words(new)} now", is_readable)


def _added(before: list[str], after: list[str]) -> list[str]:
    return [name for name in after if name not in before]


def _without_default(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "default"}


def _within(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name


def _words(schema: Schema) -> str:
    """What a schema allows, for people."""
    if "anyOf" in schema:
        return " or ".join(_words(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return _choice(schema["enum"])
    if schema.get("type") == "object":
        return str(schema.get("title", "an object"))
    kind = str(schema.get("type", "anything"))
    refinement = schema.get("format") or schema.get("contentEncoding")
    return f"{kind} ({refinement})" if refinement else kind


def _choice(values: list[object]) -> str:
    return " or ".join(map(_json, values))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
