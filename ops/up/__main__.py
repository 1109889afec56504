"""`python -m ops.up [--split]`: `runledger up` without the CLI in memory; the settings come from the environment."""

import sys

from ops.loading import load
from ops.settings import SettingsInvalid
from ops.up.system import run

if __name__ == "__main__":
    try:
        settings = load()
    except SettingsInvalid as error:
        sys.exit(str(error))
    sys.exit(run(settings, split="--split" in sys.argv))
