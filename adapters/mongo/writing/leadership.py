"""The role of the process that writes the log for all others.

Whoever cannot reach it writes for himself, which is slower (the processes collide at the end of the log) and as right:
the unique positions decide, not the role.
"""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from threading import Event
from time import monotonic

from pymongo.errors import PyMongoError

from adapters.mongo.connection import Place
from adapters.mongo.leases import RENEWAL_SECONDS, Lease, LeaseLost
from adapters.mongo.writing.handover import ROLE, Way
from adapters.mongo.writing.writer import Writer

log = logging.getLogger(__name__)

TRY_AGAIN_SECONDS = 1.0
LONGEST_SECONDS = 24 * 3600.0
"""Then the role is given up and taken anew, with new secrets in the lease: no key seals more than 2^32 letters with
random nonces (NIST SP 800-38D, 8.3)."""


class Leadership:
    """Runs in any number of processes; one at a time takes the others' commits."""

    def __init__(self, database: Place, writer: Writer, ways: Sequence[Way]) -> None:
        self._database = database
        self._writer = writer
        self._ways = ways
        self.is_held = False

    def run(self, stop: Event) -> None:
        """Lead when nobody else does, until told to stop."""
        lease = Lease(self._database, ROLE)
        while not stop.is_set():
            try:
                if lease.acquire() is not None:
                    self._lead(lease, stop)
            except (LeaseLost, PyMongoError) as error:
                log.warning("this process does not write for others now: %s", error)
            stop.wait(TRY_AGAIN_SECONDS)

    def _lead(self, lease: Lease, stop: Event) -> None:
        """Raises LeaseLost."""
        with ExitStack() as desks:
            addresses = {way.name: desks.enter_context(way.desk(self._writer)) for way in self._ways}
            end = monotonic() + LONGEST_SECONDS
            self.is_held = True
            try:
                while not stop.is_set() and monotonic() < end:
                    lease.keep(addresses)
                    stop.wait(RENEWAL_SECONDS)
            finally:
                self.is_held = False
        lease.release({})
