"""A schema registry with Confluent's interface: Confluent's own, Apicurio (`/apis/ccompat/v7`), Karapace."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

import httpx2
import msgspec
from confluent_kafka.schema_registry import Schema as RegistrySchema
from confluent_kafka.schema_registry import SchemaRegistryClient, SchemaRegistryError

from adapters.schemas import exported
from adapters.schemas.record import Record, Schema
from adapters.schemas.trouble import RegistryUnavailable, SchemaRefused, SchemaUnknown

COMPATIBILITY = "BACKWARD"
"""What a subject's newest schema must be able to read: all that the one before it allowed."""
ANSWER_SECONDS = 2.0
"""Short enough for the relay to keep its lease while it waits for an answer."""


class Registration(msgspec.Struct, frozen=True):
    """A schema that the registry has."""

    subject: str
    id: int
    is_new: bool


class SchemaRegistry:
    """Registers the schemas of the repository, each under its record's name."""

    def __init__(self, url: str, schemas: Callable[[], Mapping[Record, Schema]] = exported.committed) -> None:
        self._address = re.sub("//[^/,]*@", "//", url)
        """Without user and password."""
        self._client = SchemaRegistryClient({"url": url, "timeout": ANSWER_SECONDS, "max.retries": 0})
        self._schemas = schemas
        self._ids: dict[Record, int] = {}

    def register(self, record: Record) -> Registration:
        """Have the schema there, under a subject whose schemas stay compatible with one another.

        Raises SchemaRefused, RegistryUnavailable, SchemaUnknown.
        """
        schema = self._schema(record)
        with self._understood(record):
            known = self._find(record, schema)
            self._client.set_compatibility(record.name, COMPATIBILITY)
            id = known or self._client.register_schema(record.name, schema)
        return Registration(record.name, id, is_new=known is None)

    def id_of(self, record: Record) -> int:
        """The schema's id, asked once; what was not registered yet is registered. Raises as `register` does."""
        if record not in self._ids:
            with self._understood(record):
                known = self._find(record, self._schema(record))
            self._ids[record] = known or self.register(record).id
        return self._ids[record]

    def _schema(self, record: Record) -> RegistrySchema:
        schema = self._schemas().get(record)
        if schema is None:
            raise SchemaUnknown(f"{record.type} version {record.version}: {SchemaUnknown.__doc__}")
        return RegistrySchema(msgspec.json.encode(schema).decode(), "JSON")

    def _find(self, record: Record, schema: RegistrySchema) -> int | None:
        try:
            return self._client.lookup_schema(record.name, schema).schema_id
        except SchemaRegistryError as error:
            if error.http_status_code != HTTPStatus.NOT_FOUND:
                raise
            return None

    @contextmanager
    def _understood(self, record: Record) -> Iterator[None]:
        """Tells what went wrong in this project's words."""
        try:
            yield
        except SchemaRegistryError as error:
            if error.http_status_code == HTTPStatus.NOT_FOUND:  # what was asked for is made by asking
                raise self._unavailable(error) from error
            raise SchemaRefused(f"The schema registry {self._address} refuses {record.name}: {error}.") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> RegistryUnavailable:
        how = f"The schema registry {self._address} does not answer as one: {error}."
        return RegistryUnavailable(f"{how} {RegistryUnavailable.__doc__}")
