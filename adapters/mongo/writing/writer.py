"""The one writer of a process: it stores what all threads want stored, as few documents as possible.

A caller who is alone stores his commit himself, in the writer's place: two changes of thread would cost him a tenth of
his time.
"""

from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Lock, RLock, Thread, current_thread
from time import perf_counter

import msgspec
from eventsourcing.persistence import IntegrityError, OperationalError, PersistenceError

from adapters.mongo.commits.commits import MAX_BYTES, MAX_EVENTS, Commit
from adapters.mongo.writing.bell import Bell
from adapters.mongo.writing.tail import Tail

LINGER_SECONDS = 0.001
CLOSED = "the event log is closed"


class _Request(msgspec.Struct, eq=False):
    """A commit and whom to tell its first position."""

    commit: Commit
    answer: Future[int]

    def resolve(self, outcome: int | BaseException) -> None:
        if isinstance(outcome, BaseException):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


class Writer:
    """Groups commits; each caller is told of its own alone."""

    def __init__(self, tail: Tail, bell: Bell) -> None:
        self._tail = tail
        self._bell = bell
        self._requests: SimpleQueue[_Request | None] = SimpleQueue()
        self._held: _Request | None = None
        """One that did not fit into the last group."""
        self._expected = 1
        """How many callers there seem to be."""
        self._is_busy = False
        """Whether the writer's thread has requests in hand."""
        self._is_taken = False
        """Whether a caller stores his commit himself."""
        self._turn = RLock()
        """Of whoever places commits. The garbage collector may close this writer in the very thread that does."""
        self._starting = Lock()
        self._thread: Thread | None = None
        self._is_closed = False

    def store(self, commit: Commit) -> int:
        """Have a commit stored and wait for it. Returns the position of its first event, or raises what `submit` tells.

        Who is interrupted (KeyboardInterrupt) leaves the commit to the writer's thread.
        """
        if commit.is_doubtful or not self._is_idle():
            return self.submit(commit).result()
        try:
            self._is_taken = True
            with self._turn:
                return self._place_alone(commit)
        finally:
            self._is_taken = False
            self._bell.ring(self._tail.end)

    def submit(self, commit: Commit) -> "Future[int]":
        """Have a commit stored, all or nothing. The result is the position of its first event.

        Or the library's IntegrityError when a stream has such a version already, OperationalError when the server
        cannot be reached (nothing was stored), OutcomeUnknown.
        """
        request = _Request(commit, Future())
        with self._starting:
            if self._is_closed:
                request.resolve(OperationalError(CLOSED))
            else:
                self._start()
                self._requests.put(request)
        return request.answer

    def close(self) -> None:
        """Store what waits, then end."""
        with self._starting:
            self._is_closed = True
            self._requests.put(None)
        if self._thread not in (None, current_thread()):  # the garbage collector closes in whichever thread it runs
            self._thread.join()
        with self._turn:  # a caller who is alone may be storing
            return

    def _start(self) -> None:
        if self._thread is None:
            self._bell.listen()
            self._thread = Thread(target=self._run, name="writer", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while first := self._held or self._requests.get():
            self._is_busy = True
            with self._turn:
                self._take_turn(first)
            self._is_busy = self._held is not None
            self._bell.ring(self._tail.end)

    def _take_turn(self, first: _Request) -> None:
        self._held = None
        group = self._gather(first)
        try:
            self._store(group)
        except BaseException as error:  # noqa: BLE001 - it belongs to those who wait for an answer
            _answer_rest(group, error)

    # One caller -----------------------------------------------------------------------------------------------

    def _is_idle(self) -> bool:
        """Whether nobody else seems to store or wait. One who comes at this moment waits for one commit, no more."""
        return self._expected == 1 and not (self._is_taken or self._is_busy) and self._requests.empty()

    def _place_alone(self, commit: Commit) -> int:
        with self._starting:
            if self._is_closed:
                raise OperationalError(CLOSED)
            self._start()
        try:
            return self._tail.place([commit])
        except Exception:
            raise
        except BaseException:
            self.submit(commit)  # which may be stored or not: the writer stores it if it is not
            raise
        finally:
            self._expected += self._is_busy + self._requests.qsize()

    # Grouping -------------------------------------------------------------------------------------------------

    def _gather(self, first: _Request) -> list[_Request]:
        """All that waits, as far as one document holds it. Lingers only while the last group tells of more callers."""
        group, events, size = [first], len(first.commit.lines), first.commit.size
        deadline = perf_counter() + LINGER_SECONDS
        while request := self._next(len(group), deadline):
            events, size = events + len(request.commit.lines), size + request.commit.size
            if events > MAX_EVENTS or size > MAX_BYTES:
                self._held = request
                break
            group.append(request)
        self._expected = max(len(group), self._expected - 1)
        return group

    def _next(self, gathered: int, deadline: float) -> _Request | None:
        lingering = deadline - perf_counter() if gathered < self._expected else 0.0
        try:
            request = self._requests.get(block=lingering > 0.0, timeout=max(lingering, 0.0))
        except Empty:
            return None
        if request is None:
            self._requests.put(None)  # the end is for `_run` to see
        return request

    # Storing --------------------------------------------------------------------------------------------------

    def _store(self, group: list[_Request]) -> None:
        for request in group:
            if request.commit.is_doubtful:
                self._store_doubtful(request)
        together, later = _without_overlap([request for request in group if not request.answer.done()])
        if together:
            self._store_together(together)
        for request in later:
            self._store_together([request])

    def _store_together(self, group: list[_Request]) -> None:
        try:
            first = self._tail.place([request.commit for request in group])
        except IntegrityError:
            return self._store_each(group)
        for request in group:
            request.resolve(first)
            first += len(request.commit.lines)
        return None

    def _store_doubtful(self, request: _Request) -> None:
        try:
            request.resolve(self._tail.place_doubtful(request.commit))
        except PersistenceError as error:
            request.resolve(error)

    def _store_each(self, group: list[_Request]) -> None:
        outcomes = self._tail.place_each([request.commit for request in group])
        for request, outcome in zip(group, outcomes, strict=True):
            request.resolve(outcome)


def _without_overlap(group: list[_Request]) -> tuple[list[_Request], list[_Request]]:
    """Those that may share a document, and those that hold an event which is in it already."""
    keys: set[bytes] = set()
    together: list[_Request] = []
    later: list[_Request] = []
    for request in group:
        (later if keys & request.commit.keys else together).append(request)
        keys |= request.commit.keys
    return together, later


def _answer_rest(group: list[_Request], error: BaseException) -> None:
    for request in group:
        if not request.answer.done():
            request.resolve(error)
