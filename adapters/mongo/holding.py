"""Holding a role while something long is done."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from pymongo.errors import PyMongoError

from adapters.mongo.connection import Place, reachable
from adapters.mongo.leases import RENEWAL_SECONDS, Lease, LeaseLost


class Roles:
    """Implements the port Roles."""

    def __init__(self, database: Place) -> None:
        self._database = database
        self._watched: dict[str, Lease] = {}
        """Of roles that others held when they were last asked for: whether those still live shows only in time."""

    @contextmanager
    def hold(self, role: str) -> Iterator[Event | None]:
        """None where another process holds it, else what is set when it is lost. Raises LogUnavailable."""
        lease = self._watched.pop(role, None) or Lease(self._database, role)
        with reachable():
            is_held = lease.acquire() is not None
        if not is_held:
            self._watched[role] = lease
            yield None
            return
        lost, is_over = Event(), Event()
        thread = Thread(target=_keep, args=(lease, lost, is_over), name=f"hold {role}", daemon=True)
        thread.start()
        try:
            yield lost
        finally:
            is_over.set()
            thread.join()


def _keep(lease: Lease, lost: Event, is_over: Event) -> None:
    """A store that is away for longer than the term loses the role."""
    while not is_over.wait(RENEWAL_SECONDS):
        try:
            lease.keep({})
        except LeaseLost:
            lost.set()
            return
        except PyMongoError:
            continue
    with suppress(LeaseLost, PyMongoError):
        lease.release({})
