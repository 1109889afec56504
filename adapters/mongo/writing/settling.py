"""Finding out whether a write was stored whose answer got lost."""

from collections.abc import Callable
from time import monotonic, sleep

from eventsourcing.persistence import OperationalError
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WriteConcernError,
)

SETTLE_SECONDS = 15.0
"""How long an unknown outcome is looked into; a failover or a restarted server is back by then."""
PAUSE_SECONDS = 0.05


class OutcomeUnknown(OperationalError):
    """The event store stopped answering in the middle of a write; look whether it was stored before trying again."""


def refuse_known(error: PyMongoError) -> None:
    """Raise OperationalError when it is certain that nothing was stored, and never will be."""
    if isinstance(error, ServerSelectionTimeoutError) or not _is_unknown(error):
        raise OperationalError(str(error)) from error


def settle(write: Callable[[], bool]) -> None:
    """Write the same again until it is there: it must be one that is never stored twice, and return whether it is.

    Raises OutcomeUnknown when no answer comes, OperationalError when the server refuses it.
    """
    deadline = monotonic() + SETTLE_SECONDS
    while monotonic() < deadline:
        try:
            if write():
                return
        except PyMongoError as error:
            if not _is_unknown(error):
                raise OperationalError(str(error)) from error
        sleep(PAUSE_SECONDS)
    raise OutcomeUnknown(OutcomeUnknown.__doc__)


def _is_unknown(error: PyMongoError) -> bool:
    """Whether the write may have been stored, or may yet be."""
    if error.has_error_label("UnknownTransactionCommitResult"):
        return True
    return isinstance(error, (ConnectionFailure, WriteConcernError, BulkWriteError))
