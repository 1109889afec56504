"""The command line `runledger`."""

from ops.cli.main import main

__all__ = ["main"]
