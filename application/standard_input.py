"""Giving a run more of its standard input while it goes on."""

from functools import cache
from uuid import UUID

import msgspec

from application.handler import change
from application.ports.log import Context, EventLog, Recorded
from application.ports.seals import Erased, Seals
from domain.aggregate import DomainError
from domain.execution import Execution
from domain.sealed import Sealed


class Given(msgspec.Struct, frozen=True):
    """It is in the log; the script can read it, unless it ends first."""

    position: int
    offset: int
    """Where the input goes on: the number of bytes given so far, without those of the request."""


class StandardInputs:
    """What people give their runs to read."""

    def __init__(self, log: EventLog, seals: Seals) -> None:
        self._log = log
        self._seals = seals

    def give(
        self, context: Context, execution: UUID, content: bytes, *, is_last: bool, offset: int | None = None
    ) -> Given:
        """Add to the input of a run; with an `offset` only there, and once, however often it is sent.

        Raises StreamNotFound, ExecutionEnded, Erased, and what the domain's StandardInput does.
        """

        @cache
        def sealed(owner: UUID) -> Sealed[bytes] | None:
            return self._sealed(owner, content)

        def give(run: Execution) -> None:
            run.check_input(len(content), offset)
            run.give_input(sealed(run.owner), len(content), is_last, context.at)

        try:
            run, position = change(self._log, context, Execution, execution, give)
        except DomainError:
            earlier = None if offset is None else self._given_at(execution, offset)
            if earlier is None or not self._is_same(earlier.data, content, is_last):
                raise
            return Given(earlier.position, earlier.data.offset + earlier.data.size)
        return Given(position, run.input.bytes)

    def _sealed(self, owner: UUID, content: bytes) -> Sealed[bytes] | None:
        if not content:
            return None
        sealed = self._seals.seal(owner, content)
        if self._seals.is_erased(sealed):
            raise Erased(Erased.__doc__)
        return sealed

    def _given_at(self, execution: UUID, offset: int) -> Recorded | None:
        history = self._log.history(execution)
        given = (event for event in history if isinstance(event.data, Execution.InputGiven))
        return next((event for event in given if event.data.offset == offset), None)

    def _is_same(self, earlier: Execution.InputGiven, content: bytes, is_last: bool) -> bool:
        """Raises Erased or ContentUnreadable."""
        if (earlier.size, earlier.is_last) != (len(content), is_last):
            return False
        return earlier.data is None or self._seals.open(earlier.data) == content
