"""The log's bell over Redis: a change stream on the embedded server makes every write dearer, this hardly anything."""

import logging
from threading import Event, Thread
from uuid import UUID

from redis import Redis
from redis.exceptions import RedisError

from adapters.mongo.store import Store
from adapters.mongo.writing.bell import Bell
from adapters.redis.hearing import hear

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.01
"""Between two rings, so that telling and hearing of each of many commits does not slow the commits themselves."""


class RedisBell(Bell):
    """Rings in every process that has opened the same store. Redis may be away: then it rings in this one alone."""

    def __init__(self, redis: Redis, store: Store) -> None:
        super().__init__()
        self._redis = redis
        self._channel = channel_of(store.id)
        self._to_tell = Event()
        self._teller: Thread | None = None

    def ring(self, end: int) -> None:
        """Wakes this process at once; the others are told by a thread, so that Redis holds up no writer."""
        super().ring(end)
        if self._teller is None:
            self._teller = Thread(target=self._tell, name="bell-teller", daemon=True)
            self._teller.start()
        self._to_tell.set()

    def close(self) -> None:
        super().close()
        self._to_tell.set()
        if self._teller:
            self._teller.join()

    def _tell(self) -> None:
        told = 0
        while not self._closed.is_set():
            self._to_tell.wait()
            self._to_tell.clear()
            if (end := self.end) > told:
                told = end if self._publish(end) else told
                self._closed.wait(PAUSE_SECONDS)

    def _publish(self, end: int) -> bool:
        try:
            self._redis.publish(self._channel, end)
        except RedisError as error:
            log.debug("other processes were not told of position %s: %s", end, error)
            return False
        return True

    def _listen(self) -> None:
        hear(self._redis, self._channel, self._closed, self._hear, "the bell of other processes")

    def _hear(self, end: bytes) -> None:
        super().ring(int(end))


def channel_of(store: UUID) -> str:
    return f"log:{store}"
