"""`runledger up` without those who look after runs: a test starts, stops and kills them itself.

python -m tests.faults.partly --data DATA --port PORT
"""

import sys

from ops.loading import load
from ops.up import system

if __name__ == "__main__":
    _, _, data, _, port = sys.argv
    system.WORKERS = ("relay", "projections")
    sys.exit(system.run(load({"RUNLEDGER_DATA": data, "RUNLEDGER_PORT": port})))
