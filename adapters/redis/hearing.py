"""Listening on a channel."""

import logging
from collections.abc import Callable, Iterator
from threading import Event

from redis import Redis
from redis.client import PubSub
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

LISTEN_SECONDS = 1.0
TRY_AGAIN_SECONDS = 0.5


def messages(redis: Redis, channel: str, closed: Event, heard: Event | None = None) -> Iterator[bytes]:
    """What is published there, until `closed`, which is looked at once a second and after each message.

    `heard` is set when Redis has confirmed that nothing will be missed from now on. Raises RedisError.
    """
    with PubSub(redis.connection_pool) as pubsub:
        pubsub.subscribe(channel)
        while not closed.is_set():
            message = pubsub.get_message(timeout=LISTEN_SECONDS)
            if message and message["type"] == "message":
                yield message["data"]
            elif message and heard:
                heard.set()


def hear(
    redis: Redis, channel: str, closed: Event, take: Callable[[bytes], None], subject: str, heard: Event | None = None
) -> None:
    """Take all messages until `closed`. While Redis is away they are lost."""
    while not closed.is_set():
        try:
            for message in messages(redis, channel, closed, heard):
                take(message)
        except RedisError as error:
            log.warning("%s cannot be heard: %s", subject, error)
            closed.wait(TRY_AGAIN_SECONDS)
