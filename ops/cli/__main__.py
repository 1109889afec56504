"""`python -m ops.cli`, the same as `runledger`."""

from ops.cli.main import main

main()
