"""The command line `runledger`."""

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Load the commands and run one. Until it runs, Ctrl-C ends the process in silence, as it does any program."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from ops.cli.main import main as run_command  # noqa: PLC0415

    run_command()
