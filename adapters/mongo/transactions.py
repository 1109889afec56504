"""Changes of several documents, all or none."""

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure

from adapters.mongo.connection import DURABLE

T = TypeVar("T")

SECONDS = 5.0
"""How long a transaction that meets others is tried again."""
LONGEST_PAUSE = 0.05


def in_transaction(client: MongoClient[dict[str, Any]], act: Callable[[ClientSession], T]) -> T:
    """What `act` returns, once what it did is stored for good. It is called again after a conflict.

    Without a causal session: SecantusDB then needs one exchange less.
    """
    deadline, tries = time.monotonic() + SECONDS, 0
    while True:
        with client.start_session(causal_consistency=False) as session:
            try:
                with session.start_transaction(write_concern=DURABLE):
                    return act(session)
            except OperationFailure as error:
                if not error.has_error_label("TransientTransactionError") or time.monotonic() > deadline:
                    raise
        tries += 1
        time.sleep(random.uniform(0, min(LONGEST_PAUSE, 0.002 * 2.0**tries)))  # noqa: S311 - only to meet no more
