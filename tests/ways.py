"""How processes hand over their commits, by a word that another process is told."""

from adapters.mongo.writing.handover import Way
from adapters.mongo.writing.sockets import SocketWay
from adapters.redis.handover import RedisWay


def way(word: str) -> Way:
    """By socket, or by the Redis at this address."""
    return SocketWay() if word == "socket" else RedisWay(word)
