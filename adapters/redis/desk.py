"""Where the process that writes the log takes what others hand it over Redis."""

import logging
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Thread
from uuid import UUID

from eventsourcing.persistence import PersistenceError
from redis import Redis
from redis.exceptions import RedisError

from adapters.mongo.writing.wire import Answer
from adapters.mongo.writing.writer import Writer
from adapters.redis.hearing import hear
from adapters.redis.letters import Address, Request, Unreadable

log = logging.getLogger(__name__)

OPENING_SECONDS = 1.0
"""Nobody is sent to a desk before it is heard, unless Redis is away; it opens by itself when that comes back."""
CLOSING_SECONDS = 2.0
"""How long the last commits may take when the desk closes."""


class Replayed(ValueError):
    """This letter, or a later one of the same process, was taken before."""


class Desk:
    """Takes commits for a writer until it is closed. Answers go out by a thread that gathers them.

    What does not come from a reader of the store is refused, and told of once: anybody on Redis could fill a log file.
    """

    def __init__(self, redis: Redis, writer: Writer) -> None:
        self.address = Address.new()
        self._redis = redis
        self._writer = writer
        self._numbers: dict[UUID, int] = {}
        """Of the last letter of each asker."""
        self._taken: set[Future[int]] = set()
        self._answers: SimpleQueue[tuple[UUID, Answer] | None] = SimpleQueue()
        self._closed, self._heard = Event(), Event()
        self._has_complained = False
        self._listener = Thread(target=self._listen, name="desk", daemon=True)
        self._teller = Thread(target=self._tell, name="desk-teller", daemon=True)
        self._listener.start()
        self._teller.start()
        self._heard.wait(OPENING_SECONDS)

    def close(self) -> None:
        """Take no more, and answer what was taken."""
        self._closed.set()
        with suppress(RedisError):
            self._redis.publish(self.address.channel, b"")  # wakes the listener
        self._listener.join()
        wait(self._taken.copy(), CLOSING_SECONDS)
        self._answers.put(None)
        self._teller.join()

    def _listen(self) -> None:
        subject = "commits of other processes"
        hear(self._redis, self.address.channel, self._closed, self._hear, subject, self._heard)

    def _hear(self, letter: bytes) -> None:
        try:
            if letter:
                self._take(self.address.open(self.address.channel, letter, Request))
        except (Unreadable, Replayed, ValueError, PersistenceError) as error:
            if not self._has_complained:
                log.warning("a letter on the writer's channel is refused (and further ones silently): %s", error)
            self._has_complained = True

    def _take(self, request: Request) -> None:
        if request.number <= self._numbers.get(request.asker, 0):
            raise Replayed(Replayed.__doc__)
        self._numbers[request.asker] = request.number
        for commit in [handed.commit() for handed in request.commits]:
            stored = self._writer.submit(commit)
            self._taken.add(stored)
            stored.add_done_callback(partial(self._answer, request.asker, commit.id))

    # Answers --------------------------------------------------------------------------------------------------

    def _answer(self, asker: UUID, commit: UUID, stored: "Future[int]") -> None:
        self._answers.put((asker, Answer.of(commit, stored)))
        self._taken.discard(stored)

    def _tell(self) -> None:
        while gathered := self._gather():
            pipeline = self._redis.pipeline(transaction=False)
            for asker, answers in gathered.items():
                channel = self.address.answers_to(asker)
                pipeline.publish(channel, self.address.close(channel, answers))
            with suppress(RedisError):  # whoever misses an answer looks for his commit
                pipeline.execute()

    def _gather(self) -> dict[UUID, list[Answer]]:
        """All answers there are, at least one; none when the desk is closed."""
        gathered: dict[UUID, list[Answer]] = {}
        next_one = self._answers.get()
        with suppress(Empty):
            while next_one:
                gathered.setdefault(next_one[0], []).append(next_one[1])
                next_one = self._answers.get_nowait()
            self._answers.put(None)
        return gathered
