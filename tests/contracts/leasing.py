"""A program that takes a role, says so on its standard output, and keeps it until it is killed.

python -m tests.contracts.leasing URL DATABASE ROLE
"""

import sys
import time

from adapters.mongo.connection import connect
from adapters.mongo.leases import Lease


def main(url: str, database: str, role: str) -> None:
    lease = Lease(connect(url)[database], role)
    assert lease.acquire() is not None
    lease.keep({"position": 5})
    sys.stdout.write("holds\n")
    sys.stdout.flush()
    while True:
        time.sleep(0.1)
        if lease.is_due():
            lease.keep({"position": 5})


if __name__ == "__main__":
    main(*sys.argv[1:])
