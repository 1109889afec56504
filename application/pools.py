"""The pool as this process knows it: held in memory, for its streams are long and almost always this process's own."""

from datetime import datetime

from application.ports.log import EventLog, StreamNotFound
from domain.pool import Pool, opened, pool_of


class Pools:
    """Finds the stream of the pool that is not continued in another one."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._pool: Pool | None = None
        self._number = 1

    def current(self, at: datetime) -> Pool:
        """What was decided on it and not saved is to be forgotten by `reload`. Raises LogUnavailable."""
        if self._pool is None:
            self._pool = self._find() or opened(1, {}, at)
            self._number = self._pool.number
        return self._pool

    def went_on(self, pool: Pool) -> None:
        """This is the current one now."""
        self._pool = pool

    def reload(self) -> None:
        """Somebody else may have changed it."""
        self._pool = None

    def _find(self) -> Pool | None:
        """In steps that grow twofold, then halved: reads as many streams as their number has digits."""
        step, last = 1, self._load(self._number)
        while last and last.is_continued and (further := self._load(last.number + step)):
            last, step = further, step * 2
        while last and last.is_continued:
            step = max(1, step // 2)
            last = self._load(last.number + step) or last
        return last

    def _load(self, number: int) -> Pool | None:
        try:
            return self._log.load(Pool, pool_of(number))
        except StreamNotFound:
            return None
