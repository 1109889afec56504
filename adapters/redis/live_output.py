"""A run's frames in a Redis stream, numbered by its entry ids, until the run's end is stored."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from redis import Redis
from redis.exceptions import RedisError

from adapters.redis.channels import LiveFrames, encode, output_of
from application.frames import encode_frames
from application.ports.live import FramesMissing, LiveUnavailable
from application.ports.sandbox import Output
from application.ports.seals import Seals

KEPT_SECONDS = 60
"""How long frames stay after the run's end was stored, for those who were reading them."""

ABANDONED_SECONDS = 24 * 3600
"""How long frames stay when nothing is heard of the run any more."""

_LAST = """
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local last = 0
if #newest > 0 then last = tonumber(string.match(newest[1][1], '^%d+')) end
"""

_APPEND = (
    _LAST
    + """
if last ~= tonumber(ARGV[1]) - 1 then return last end
local left = redis.call('TTL', KEYS[1])
redis.call('XADD', KEYS[1], ARGV[2] .. '-0', 'm', ARGV[3])
if left < 0 or left > tonumber(ARGV[5]) then redis.call('EXPIRE', KEYS[1], ARGV[4]) end
redis.call('PUBLISH', KEYS[1], ARGV[3])
return tonumber(ARGV[2])
"""
)

_EXPIRE = """
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('XGROUP', 'CREATE', KEYS[1], 'ended', '$', 'MKSTREAM') end
redis.call('EXPIRE', KEYS[1], ARGV[1])
"""
"""Also where there is nothing yet: whoever writes later finds that it is to go soon."""


class RedisLiveOutput:
    """Frames follow each other without a hole, because the script that writes them compares first."""

    def __init__(self, redis: Redis, seals: Seals) -> None:
        self._redis = redis
        self._seals = seals
        self._append: Any = redis.register_script(_APPEND)
        self._last: Any = redis.register_script(_LAST + "return last")
        self._expire: Any = redis.register_script(_EXPIRE)

    def last(self, execution: UUID) -> int:
        try:
            return int(self._last(keys=[output_of(execution)]))
        except RedisError as error:
            raise LiveUnavailable(str(error)) from error

    def append(self, execution: UUID, owner: UUID, frames: Sequence[Output]) -> None:
        there = self._try_append(execution, owner, frames)
        if there < frames[0].number - 1:
            raise FramesMissing
        newer = [frame for frame in frames if frame.number > there]
        if newer:
            self.append(execution, owner, newer)

    def _try_append(self, execution: UUID, owner: UUID, frames: Sequence[Output]) -> int:
        """Returns the number of the last frame that is there now."""
        first, last = frames[0].number, frames[-1].number
        message = encode(LiveFrames(first, last, self._seals.seal(owner, encode_frames(frames))))
        try:
            times = ABANDONED_SECONDS, KEPT_SECONDS
            return int(self._append(keys=[output_of(execution)], args=[first, last, message, *times]))
        except RedisError as error:
            raise LiveUnavailable(str(error)) from error

    def expire(self, execution: UUID) -> None:
        try:
            self._expire(keys=[output_of(execution)], args=[KEPT_SECONDS])
        except RedisError as error:
            raise LiveUnavailable(str(error)) from error
