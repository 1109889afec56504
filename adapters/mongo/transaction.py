"""Several documents that change together or not at all."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure

from adapters.mongo.connection import DURABLE

T = TypeVar("T")

TRIES = 5


def in_transaction(client: MongoClient[dict[str, Any]], act: Callable[[ClientSession], T]) -> T:
    """Returns what `act` does; it may be called several times, and what an earlier call wrote is gone then."""
    for tries_left in reversed(range(TRIES)):
        with client.start_session(causal_consistency=False) as session:
            try:
                with session.start_transaction(write_concern=DURABLE):
                    return act(session)
            except OperationFailure as error:
                if not (tries_left and error.has_error_label("TransientTransactionError")):
                    raise
        time.sleep(0.01)
    raise AssertionError
