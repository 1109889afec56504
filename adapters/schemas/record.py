"""What a record of an event looks like in the log and in Kafka: the envelope, closed around the event's own fields."""

import inspect
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple, Self

import msgspec

from adapters.mongo.commits.envelope import Envelope
from adapters.mongo.commits.payloads import Payload

Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
"""The newest draft that registries can compare: Apicurio fails on two different schemas of draft 2020-12."""
ENDING = ".json"


class Record(NamedTuple):
    """An event type in one of its schema versions."""

    type: str
    version: int

    @classmethod
    def in_file(cls, name: str) -> Self:
        """Raises ValueError for a file's name that is none of a record."""
        type, _, version = name.removesuffix(ENDING).rpartition(".v")
        return cls(type, int(version))

    @property
    def file(self) -> str:
        return f"{self.type}.v{self.version}{ENDING}"

    @property
    def name(self) -> str:
        """The registry's subject. A later version is a record of its own, for nobody can read both with one schema."""
        return self.type if self.version == 1 else f"{self.type}.v{self.version}"


def record_of(type: str, kind: type) -> Record:
    """What the class writes now."""
    return Record(type, Payload(kind).schema)


def schema_of(type: str, kind: type) -> Schema:
    """The JSON Schema of what the class writes now, as it is read from a file."""
    made = msgspec.json.schema(_struct(type, Payload(kind)))
    definitions = made["$defs"]
    record = definitions.pop(_struct_name(type)) | {"title": record_of(type, kind).name}
    schema = _cleaned({"$schema": DRAFT, **record, "$defs": definitions})
    return msgspec.json.decode(msgspec.json.encode(schema), type=Schema)


def _struct(type: str, payload: Payload) -> type[msgspec.Struct]:
    narrower = {
        "type": Literal[type],
        "schema": Literal[payload.schema],
        "at": Annotated[datetime, msgspec.Meta(tz=True)],
        "data": payload.struct,
    }
    return msgspec.defstruct(_struct_name(type), list(narrower.items()), bases=(Envelope,))


def _struct_name(type: str) -> str:
    return f"Record.{type}"


def _cleaned(node: Any) -> Any:
    """Docstrings without their indentation, which Python 3.13 takes away by itself."""
    if isinstance(node, list):
        return [_cleaned(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {key: inspect.cleandoc(value) if _is_text(key, value) else _cleaned(value) for key, value in node.items()}


def _is_text(key: str, value: object) -> bool:
    """A field may be called `description` as well; its schema is no text."""
    return key == "description" and isinstance(value, str)
