"""A process that copies the log to Kafka until it is killed.

python -m tests.faults.relaying URL DATABASE ADDRESS_FILE [PAUSE_AT [ROLE]]

It stops itself (SIGSTOP) the first time it is about to send the event at position PAUSE_AT. Relays of different ROLEs
are active at the same time.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from pymongo.database import Database

from adapters.kafka import headers, relay
from adapters.kafka.headers import Headers, Place
from adapters.kafka.relay import Relay
from adapters.mongo.connection import connect
from adapters.mongo.leases import Lease
from adapters.mongo.log.journal import Journal

encode = headers.encode


class Pausing:
    """The headers' encoder, which every event passes on its way."""

    def __init__(self, position: int) -> None:
        self._position = position

    def __call__(self, place: Place, *rest: Any) -> Headers:
        if place.position == self._position:
            self._position = 0
            os.kill(os.getpid(), signal.SIGSTOP)
        return encode(place, *rest)


def main(url: str, database: str, address: str, pause_at: str = "0", role: str = "relay") -> None:
    headers.encode = Pausing(int(pause_at))

    def lease_of(leases: Database[dict[str, Any]], _: str) -> Lease:
        return Lease(leases, role)

    relay.Lease = lease_of  # type: ignore[attr-defined]
    Relay(Journal(connect(url)[database]), Path(address).read_text).run(threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
