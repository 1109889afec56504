"""Handing commits over by Redis, which reaches other machines and containers.

Redis may lose letters, or be away: then the answer is missing, and the asker looks for his commit.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any
from uuid import uuid4

import msgspec
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from adapters.mongo.commits.commits import Commit
from adapters.mongo.writing import handover
from adapters.mongo.writing.handover import AnswerMissing, NobodyWrites, Questions
from adapters.mongo.writing.wire import Answer, Handed
from adapters.mongo.writing.writer import Writer
from adapters.redis.desk import Desk
from adapters.redis.hearing import messages
from adapters.redis.letters import Address, Request, Unreadable

REDIS_SECONDS = 1.0
"""Redis answers within that, or the process writes for itself."""
DOUBT_SECONDS = 0.5
"""Whoever has waited so long for an answer asks whether the writer still listens, and again after as long."""


class RedisWay:
    """Implements Way for processes that share a Redis; a single server, which counts all who hear a message."""

    name = "redis"

    def __init__(self, url: str) -> None:
        once = Retry(NoBackoff(), 0)  # a process that cannot hand over at once writes for itself
        self._redis = Redis.from_url(
            url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS, retry=once
        )

    @contextmanager
    def desk(self, writer: Writer) -> Iterator[dict[str, Any]]:
        desk = Desk(self._redis, writer)
        try:
            yield msgspec.structs.asdict(desk.address)
        finally:
            desk.close()

    def reach(self, address: dict[str, Any]) -> "Line":
        return Line(self._redis, Address(**address))


class Line:
    """Letters to one desk, and a channel of one's own for the answers. Raises NobodyWrites."""

    def __init__(self, redis: Redis, address: Address) -> None:
        self._redis = redis
        self._address = address
        self._asker = uuid4()
        self._number = 0
        self._waiting: deque[Handed] = deque()
        self._sending = Lock()
        self._questions = Questions()
        self._closed, heard = Event(), Event()
        Thread(target=self._listen, args=[heard], name="handover", daemon=True).start()
        if not heard.wait(REDIS_SECONDS) or self.is_dead:
            self.close()
            raise NobodyWrites

    @property
    def is_dead(self) -> bool:
        return self._questions.are_over

    def ask(self, commit: Commit) -> int:
        with self._questions.ask(commit.id) as answer:
            self._waiting.append(Handed.of(commit))
            with self._sending:
                self._send([self._waiting.popleft() for _ in range(len(self._waiting))])
            return self._await(answer)

    def close(self) -> None:
        self._closed.set()
        self._questions.end(AnswerMissing())

    def _send(self, commits: Sequence[Handed]) -> None:
        """In one letter; there are none when another thread has sent them."""
        if not commits:
            return
        self._number += 1
        letter = self._address.close(self._address.channel, Request(self._asker, self._number, commits))
        try:
            if not self._redis.publish(self._address.channel, letter):
                self._nobody_heard(commits)
        except RedisError:  # it may have arrived
            self.close()

    def _nobody_heard(self, commits: Sequence[Handed]) -> None:
        for handed in commits:
            self._questions.resolve(handed.id, NobodyWrites())
        self.close()

    def _await(self, answer: "Future[int]") -> int:
        deadline = monotonic() + handover.ANSWER_SECONDS
        while True:
            try:
                return answer.result(min(DOUBT_SECONDS, max(deadline - monotonic(), 0.0)))
            except NotInTime as error:
                if monotonic() > deadline or not self._desk_is_open():
                    self.close()
                    raise AnswerMissing from error

    def _desk_is_open(self) -> bool:
        try:
            return any(listeners for _, listeners in self._redis.pubsub_numsub(self._address.channel))
        except RedisError:
            return False

    def _listen(self, heard: Event) -> None:
        with suppress(RedisError):
            for letter in messages(self._redis, self._address.answers_to(self._asker), self._closed, heard):
                self._take(letter)
        self.close()
        heard.set()

    def _take(self, letter: bytes) -> None:
        with suppress(Unreadable):  # a stranger's
            for answer in self._address.open(self._address.answers_to(self._asker), letter, list[Answer]):
                self._questions.resolve(answer.id, answer.outcome())
