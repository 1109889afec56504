"""Deciding on events that a read model could not fold."""

from collections.abc import Callable
from uuid import UUID

from application.handler import begin_or_change
from application.ports.log import Context, EventLog
from domain.dead_letter import DeadLetter, letters_of


class DeadLetters:
    """The commands on letters. Each returns the position of its event; whoever folds the lane does the rest."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    def retry(self, context: Context, projection: str, stream: UUID) -> int:
        """Have all parked events of a stream folded again, in order."""
        return self._change(context, projection, stream, lambda letters: letters.retry(context.at))

    def discard(self, context: Context, projection: str, stream: UUID, position: int, reason: str) -> int:
        """Have one event left out for ever, and the others folded. Raises ReasonMissing."""
        return self._change(context, projection, stream, lambda letters: letters.discard(position, reason, context.at))

    def _change(self, context: Context, projection: str, stream: UUID, decide: Callable[[DeadLetter], object]) -> int:
        def begin() -> DeadLetter:
            id = letters_of(projection, stream)
            return DeadLetter(id=id, projection=projection, parked=stream, timestamp=context.at)

        return begin_or_change(self._log, context, DeadLetter, begin, decide)
