"""How this system talks to MongoDB: what a write must survive, and what a read may see."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from bson import UuidRepresentation
from bson.codec_options import CodecOptions
from eventsourcing.persistence import OperationalError
from pymongo import MongoClient, ReadPreference
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from application.ports.log import LogUnavailable

Document = dict[str, Any]

Place: TypeAlias = Database[Document] | Collection[Document]
"""Where the collections of one log lie: a database, or a collection whose sub-collections they are (`bank.commits`)."""

DURABLE = WriteConcern(w="majority", j=True, wtimeout=10_000)
MAJORITY = ReadConcern("majority")
LOCAL = ReadConcern("local")
BSON: CodecOptions[Document] = CodecOptions(uuid_representation=UuidRepresentation.STANDARD, tz_aware=True)
"""As `client_options` says it, for documents outside the driver."""


def connect(url: str) -> MongoClient[Document]:
    """A client with time limits on everything, so that no thread hangs on a lost server; it connects when first used.

    The URL says where, who, and how it is encrypted. That of an embedded SecantusDB says `retryWrites=false` as well,
    because its retryable writes get slower with each one.
    """
    return MongoClient(url, **client_options())


def client_options() -> dict[str, Any]:
    """The options every client of ours has, synchronous or not."""
    return {
        "uuidRepresentation": "standard",
        "tz_aware": True,
        "appname": "runledger",
        "connectTimeoutMS": 3_000,
        "socketTimeoutMS": 10_000,
        "serverSelectionTimeoutMS": 5_000,
    }


def durable(place: Place, name: str) -> Collection[Document]:
    """Acknowledged writes survive the loss of a minority of nodes; reads see only such writes."""
    return place[name].with_options(read_concern=MAJORITY, write_concern=DURABLE)


def on_primary(collection: Collection[Document]) -> Collection[Document]:
    """The same collection, never read from a secondary, which may be behind."""
    return collection.with_options(read_preference=ReadPreference.PRIMARY)


def newest(collection: Collection[Document]) -> Collection[Document]:
    """The same collection as the primary sees it now: for a writer, which must not be shown an old end for ever."""
    return collection.with_options(read_concern=LOCAL, read_preference=ReadPreference.PRIMARY)


@contextmanager
def reachable() -> Iterator[None]:
    """Turn the driver's troubles inside into LogUnavailable."""
    try:
        yield
    except PyMongoError as error:
        raise LogUnavailable(reason(error)) from error


@contextmanager
def operational() -> Iterator[None]:
    """Turn the driver's troubles inside into the library's OperationalError."""
    try:
        yield
    except PyMongoError as error:
        raise OperationalError(reason(error)) from error


def reason(error: Exception) -> str:
    """What is wrong, without the driver's description of all servers and settings."""
    return re.split(r" \(configured|, Timeout:|, full error:", str(error), maxsplit=1)[0]
