"""Roles that one process at a time plays, with a fencing epoch (Kleppmann, "How to do distributed locking")."""

from time import monotonic
from typing import Any

import msgspec
from pymongo.errors import DuplicateKeyError

from adapters.mongo import holder
from adapters.mongo.connection import Place, durable

TERM_SECONDS = 6.0
"""A holder that has not renewed for so long may be replaced."""
RENEWAL_SECONDS = 2.0

Document = dict[str, Any]


class LeaseLost(Exception):
    """Another process plays this role now."""


class Lease:
    """One role. Whoever waits measures the term with a clock of its own, so no two clocks are ever compared.

    It need not wait for a holder that it sees to be gone: a process of the same machine that has ended. The epoch is
    what makes either safe.

    The holder keeps its state in the lease's document; only the holder of the newest epoch can change it. Beside it
    stands what others ask of whoever holds the lease.
    """

    def __init__(self, database: Place, role: str) -> None:
        self._leases = durable(database, "leases")
        self._role = role
        self._seen: tuple[Document | None, float] = None, 0.0
        self._epoch = 0
        self._renewed = 0.0

    def acquire(self) -> Document | None:
        """Take the role if it is free, given up, or was not renewed for a term, or if its holder is seen to be gone.

        Returns the state kept with it.
        """
        found = self._leases.find_one({"_id": self._role})
        if found is None:
            return self._take_first()
        if not (found["is_free"] or holder.is_gone(found.get("holder")) or self._has_expired(found)):
            return None
        seen = {"_id": self._role, "epoch": found["epoch"], "beat": found["beat"]}
        moved = self._leases.update_one(seen, {"$set": _held(found["epoch"] + 1)})
        return self._taken(found["epoch"] + 1, found["state"]) if moved.matched_count else None

    def keep(self, state: Document) -> Document | None:
        """Renew, and store the role's state. Returns what is asked of the holder. Raises LeaseLost."""
        kept = self._change({"$inc": {"beat": 1}, "$set": {"state": state}})
        self._renewed = monotonic()
        return kept.get("asked")

    def is_due(self) -> bool:
        """Whether it is time to renew."""
        return monotonic() - self._renewed > RENEWAL_SECONDS

    def release(self, state: Document) -> None:
        """Give the role up, so that the next one need not wait. Raises LeaseLost."""
        self._change({"$set": {"state": state, "is_free": True}})

    def _change(self, change: Document) -> Document:
        changed = self._leases.find_one_and_update({"_id": self._role, "epoch": self._epoch}, change)
        if changed is None:
            raise LeaseLost(LeaseLost.__doc__)
        return changed

    def _take_first(self) -> Document | None:
        try:
            self._leases.insert_one({"_id": self._role, "state": {}, **_held(1)})
        except DuplicateKeyError:
            return None
        return self._taken(1, {})

    def _taken(self, epoch: int, state: Document) -> Document:
        self._epoch, self._renewed = epoch, monotonic()
        return state

    def _has_expired(self, found: Document) -> bool:
        seen, since = self._seen
        if seen is None or (seen["epoch"], seen["beat"]) != (found["epoch"], found["beat"]):
            self._seen = found, monotonic()
            return False
        return monotonic() - since > TERM_SECONDS


def _held(epoch: int) -> Document:
    """By this process."""
    return {"epoch": epoch, "beat": 0, "is_free": False, "holder": holder.mine()}


class Seen(msgspec.Struct, frozen=True):
    """A role as those see it who do not play it."""

    state: Document
    epoch: int
    beat: int
    """Moves while somebody plays the role."""
    is_free: bool
    asked: Document | None = None
    """What was last asked of the holder; it stays when it is done."""


def look(database: Place, role: str) -> Seen | None:
    """None where nobody has played this role yet."""
    found = durable(database, "leases").find_one({"_id": role})
    return msgspec.convert(found, Seen) if found else None


def ask(database: Place, role: str, request: Document, instead_of: Document | None) -> bool:
    """Ask something of whoever plays the role now or next. False when somebody else has asked meanwhile."""
    unchanged = {"_id": role, "asked": instead_of}
    asked = durable(database, "leases").update_one(unchanged, {"$set": {"asked": request}})
    return asked.matched_count > 0
