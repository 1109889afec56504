"""Why `up` does not start. Each says what to do about it; nothing was changed."""

from typing import Any

TOLD = 3
"""The exit code of a preparation that has said all there is to say."""


class Refused(Exception):
    """Runledger cannot start."""

    def __init__(self, **facts: Any) -> None:
        sentence = " ".join((type(self).__doc__ or "").split())
        super().__init__(sentence.format(**facts))


class AlreadyRunning(Refused):
    """Runledger already runs on {folder}, as {who}.

    Stop that one first, or choose another folder with --data.
    """


class FolderUnusable(Refused):
    """The data folder {folder} cannot be used: {why}.

    Make it a folder that you may write to, or choose another one with --data or RUNLEDGER_DATA.
    """


class FolderOfAnother(Refused):
    """The data folder {folder} belongs to the user {owner}.

    Start Runledger as that user, or choose another folder with --data or RUNLEDGER_DATA.
    """


class DiskFull(Refused):
    """The disk of the data folder {folder} has {free} MB left, and Runledger needs {needed} MB.

    Free some space, or choose another folder with --data or RUNLEDGER_DATA.
    """


class PortTaken(Refused):
    """Another program uses the port {port}. Stop it, or choose another port with --port or RUNLEDGER_PORT."""


class ProgramNotInstalled(Refused):
    """The program {program} is not installed. {remedy}."""


class StoreDamaged(Refused):
    """The store in {folder} cannot be opened; {log} says why.

    Restore a backup of the data folder, or move the folder away to begin with an empty one.
    """


class StoreBusy(Refused):
    """Another process has the store in {folder} open; nothing is wrong with it. Stop that process first."""


class StoreIncomplete(Refused):
    """The file {file} is missing from the store in {folder}, so its content cannot be found. Nothing was changed.

    Put the file back, restore a backup of the data folder, or move the folder away to begin with an empty one.
    """


class ServerFailed(Refused):
    """The embedded {name} does not start; {log} says why."""


class InitRefused(Exception):
    """The store cannot be prepared, and the preparation itself has said why."""


class InitFailed(Refused):
    """The store could not be prepared; the lines above say why."""
