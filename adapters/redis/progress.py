"""Tells how far long work is, to whoever watches it."""

import logging
import time
from collections import defaultdict

from redis import Redis
from redis.exceptions import RedisError

from adapters.redis.channels import PROGRESS, encode
from application.progress import Reached

log = logging.getLogger(__name__)

EVERY_SECONDS = 0.2
"""Oftener nobody can see it."""
TRY_AGAIN_SECONDS = 10.0


class RedisProgress:
    """Implements the port Progress. Passes on the first and the last of each work, and some in between."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._next: dict[tuple[str, str], float] = defaultdict(float)
        """When it is told next, by kind and name."""

    def tell(self, kind: str, name: str, upto: int, of: int) -> None:
        if upto < of and time.monotonic() < self._next[kind, name]:
            return
        wait = EVERY_SECONDS
        try:
            self._redis.publish(PROGRESS, encode(Reached(kind, name, upto, of)))
        except RedisError as error:
            log.warning("how far the %s of %s is cannot be told: %s", kind, name, error)
            wait = TRY_AGAIN_SECONDS
        self._next[kind, name] = time.monotonic() + wait
