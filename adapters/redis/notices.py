"""Tells the live streams what has changed."""

import logging
from collections.abc import Sequence

from redis import Redis
from redis.exceptions import RedisError

from adapters.redis.channels import encode, notices_of
from projections.projection import Notice

log = logging.getLogger(__name__)


class RedisNotices:
    """Publishes after commit. A lost notice is no harm: whoever listens also asks once a second."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def publish(self, notices: Sequence[Notice]) -> None:
        if not notices:
            return
        try:
            self._publish(notices)
        except RedisError as error:
            log.warning("%d notices were not sent: %s", len(notices), error)

    def _publish(self, notices: Sequence[Notice]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for notice in notices:
            pipeline.publish(notices_of(notice.stream), encode(notice))
        pipeline.execute()
