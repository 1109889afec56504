"""Changes of several documents, all or none, that nobody has to wait for who is not there any more.

MongoDB and SecantusDB keep the open transaction of a client that was killed or stopped for 60 s, and with it every
document it has changed. So each document that says how far something has come also says in which session its owner
changes it, and whoever meets what an owner left open ends that session's transaction. It says as well which process
that owner is, so that whoever starts on the same machine knows what is nobody's.
"""

import random
import time
from collections.abc import Callable
from threading import Lock
from typing import TypeVar
from uuid import UUID

from bson.binary import Binary
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import ExecutionTimeout, OperationFailure

from adapters.mongo import holder
from adapters.mongo.connection import DURABLE, Document, newest

T = TypeVar("T")

SECONDS = 5.0
"""How long a transaction that meets others is tried again."""
PATIENCE_SECONDS = 0.5
"""How long others may be in the way before they are taken for killed or stopped. One that lives tries again."""
LONGEST_PAUSE = 0.05
HELD_MS = 2_000
"""How long a document that somebody holds is waited for; then its owner is looked up again."""


class Transactions:
    """The transactions of one owner, one at a time, in one session. `owned` are the documents that have owners."""

    def __init__(self, owned: Collection[Document]) -> None:
        self._owned = owned
        self._client = owned.database.client
        self._lock = Lock()
        # Without a causal session: SecantusDB then needs one exchange less.
        self._session = self._client.start_session(causal_consistency=False)
        self.session = UUID(bytes=self._session.session_id["id"])
        """Its id: whoever knows it can end the open transaction."""

    def run(self, act: Callable[[ClientSession], T]) -> T:
        """What `act` returns, once what it did is stored for good. It is called again after a conflict."""
        with self._lock:
            return self._run(act)

    def _run(self, act: Callable[[ClientSession], T]) -> T:
        started, tries, is_patient = time.monotonic(), 0, True
        while True:
            try:
                with self._session.start_transaction(write_concern=DURABLE):
                    return act(self._session)
            except OperationFailure as error:
                waited = time.monotonic() - started
                if not error.has_error_label("TransientTransactionError") or waited > SECONDS:
                    raise
            if is_patient and waited > PATIENCE_SECONDS:
                self._end_owners({})
                is_patient = False
            tries += 1
            time.sleep(random.uniform(0, min(LONGEST_PAUSE, 0.002 * 2.0**tries)))  # noqa: S311 - only to meet no more

    def take_over(self, id: str, change: Document, *, upsert: bool = False) -> Document | None:
        """Change a document and be its owner from then on. Returns it as it was before; None when there was none.

        The open transaction of the owner before is ended; nothing of it is stored. This itself is no transaction, so
        that whoever is killed or stopped here holds nothing.
        """
        change = change | {"$set": {"session": self.session, "holder": holder.mine()}}
        deadline = time.monotonic() + SECONDS
        while True:
            self._end_owners({"_id": id})
            try:
                return self._owned.find_one_and_update({"_id": id}, change, upsert=upsert, maxTimeMS=HELD_MS)
            except ExecutionTimeout:
                # Its owner began another transaction in between, or somebody else took it over.
                if time.monotonic() > deadline:
                    raise

    def _end_owners(self, which: Document) -> None:
        """MongoDB lets a user end sessions of its own without a further right."""
        sessions = newest(self._owned).distinct("session", {**which, "session": {"$ne": self.session}})
        if sessions:
            self._client.admin.command("killSessions", [{"id": Binary.from_uuid(session)} for session in sessions])
