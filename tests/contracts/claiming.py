"""A program that owns lanes of a read model, says so on its standard output, and is killed.

python -m tests.contracts.claiming URL DATABASE LANES
"""

import sys
import time

from adapters.mongo.connection import connect
from adapters.mongo.read_models.read_models import MongoReadModels
from projections.execution_status import PROJECTION


def main(url: str, database: str, lanes: str) -> None:
    store = MongoReadModels(connect(url)[database])
    for lane in lanes.split(","):
        store.claim(PROJECTION, int(lane))
    sys.stdout.write("owns\n")
    sys.stdout.flush()
    while True:
        time.sleep(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
