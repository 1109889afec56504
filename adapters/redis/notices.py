"""Tells the live streams what has changed."""

import logging
from collections.abc import Sequence

from redis import Redis
from redis.exceptions import RedisError

from adapters.redis.channels import MOVES, Moved, encode, notices_of
from projections.projection import Notice
from projections.store import Cursor

log = logging.getLogger(__name__)


class RedisNotices:
    """Publishes after commit. A lost notice is no harm: whoever listens also asks once a second."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def publish(self, notices: Sequence[Notice], moved: Sequence[Cursor]) -> None:
        try:
            self._publish(notices, moved)
        except RedisError as error:
            log.warning("%d notices were not sent: %s", len(notices), error)

    def _publish(self, notices: Sequence[Notice], moved: Sequence[Cursor]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for notice in notices:
            pipeline.publish(notices_of(notice.stream), encode(notice))
        if moved:
            cursors = [Moved(cursor.projection, cursor.generation, cursor.lane, cursor.position) for cursor in moved]
            pipeline.publish(MOVES, encode(cursors))
        pipeline.execute()
