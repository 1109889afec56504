"""`worker saga` on a real log: places are given in order, never too many, and come back whatever happens."""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

import domain.saga
from adapters.mongo.log.log import MongoEventLog
from application import deadlines, orchestrator
from application.deadlines import Deadlines
from application.orchestrator import Orchestrator, created
from application.pools import Pools
from application.ports.log import Context, VersionConflict
from application.ports.work import Task, TaskKind
from application.queue import Hint, Queue
from domain import pool as pools
from domain.execution import Execution, ExecutionEnded, Limits, Outcome, Status
from domain.pool import Places
from domain.queue import Waiting
from domain.saga import START_WITHIN, Step, saga_of
from domain.sealed import Sealed

ANN, BOB = UUID(int=1), UUID(int=2)
DONE = Outcome(Status.SUCCEEDED, "exited with code 0", exit_code=0)
HOUR = timedelta(hours=1)
SCRIPT = Sealed[str](key=UUID(int=3), size=1, box=b"x")


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def context() -> Context:
    return Context("user:ann", datetime.now(UTC), uuid4())


class Runs:
    """What the read model would say: the runs of these tests that have no sandbox."""

    def __init__(self, log: MongoEventLog) -> None:
        self._log = log
        self.requested: dict[UUID, Waiting] = {}

    def request(self, owner: UUID = ANN) -> UUID:
        at = datetime.now(UTC)
        run = Execution(
            id=uuid4(), owner=owner, language="python", version="3.11", script=SCRIPT, stdin=None, limits=Limits(),
            fingerprint="f", timestamp=at,
        )  # fmt: skip
        self.requested[run.id] = Waiting(run.id, owner, 0, self._log.save(context(), run), at)
        return run.id

    def waiting(self) -> list[Waiting]:
        return [one for one in self.requested.values() if self.load(one.execution).status is Status.QUEUED]

    def load(self, run: UUID) -> Execution:
        return self._log.load(Execution, run)

    def end(self, run: UUID) -> None:
        self.decide(run, lambda one: one.finish(DONE, None, datetime.now(UTC)))

    def decide(self, run: UUID, decide: Callable[[Execution], None]) -> None:
        loaded = self.load(run)
        decide(loaded)
        self._log.save(context(), loaded)

    def placed(self) -> list[UUID]:
        return [run for run in self.requested if self.load(run).sandbox]


@pytest.fixture
def runs(log) -> Runs:
    return Runs(log)


class Saga:
    """One worker, step by step."""

    def __init__(
        self,
        log,
        runs: Runs,
        at_once: int = 2,
        of_one: int = 2,
        ceilings: Limits | None = None,
        wait: timedelta = HOUR,
    ) -> None:
        self.queue = Queue(runs)
        self.started: list[Task] = []
        self.worker = Orchestrator(
            log,
            Clock(),
            self.queue,
            Places(at_once, of_one),
            ceilings or Limits(),
            Deadlines(log, wait),
            self.started.extend,
        )

    def work(self) -> None:
        """What it does until there is nothing to do at once."""
        self.queue.look()
        while not self.worker.step():
            continue


def held(log) -> set[UUID]:
    return set(Pools(log).current(datetime.now(UTC)).held)


def test_places_are_given_to_the_oldest_and_the_others_wait(log, runs):
    first, second, third = (runs.request() for _ in range(3))
    saga = Saga(log, runs)
    saga.work()
    assert held(log) == {first, second} == set(runs.placed())
    assert runs.load(third).status is Status.QUEUED
    assert [(task.kind, task.execution) for task in saga.started] == [(TaskKind.START, first), (TaskKind.START, second)]


def test_the_place_and_the_intent_to_make_a_sandbox_are_one_commit(log, runs, database):
    runs.request()
    runs.request()
    before = database.commits.count_documents({})
    Saga(log, runs).work()
    assert database.commits.count_documents({}) == before + 1


def test_whoever_remembers_the_request_alone_finds_that_a_sandbox_is_to_be_made(journal, log, runs):
    run, other = runs.request(), MongoEventLog(journal)
    other.history(run)
    Saga(log, runs).work()
    assert len(other.recall_history(run)) == 1
    assert isinstance(created(other, run).data, Execution.SandboxCreated)


def test_a_place_comes_back_with_the_next_reservation(log, runs, database):
    first, second, third = (runs.request() for _ in range(3))
    saga = Saga(log, runs)
    saga.work()
    runs.end(first)
    before = database.commits.count_documents({})
    saga.queue.ended(first)
    saga.work()
    assert held(log) == {second, third}
    assert database.commits.count_documents({}) == before + 1


def test_a_place_that_nobody_waits_for_comes_back_within_a_second(log, runs, monkeypatch):
    monkeypatch.setattr(orchestrator, "RELEASE_SECONDS", 0.0)
    run = runs.request()
    saga = Saga(log, runs)
    saga.work()
    runs.end(run)
    saga.queue.ended(run)
    saga.work()
    assert held(log) == set()


def test_an_end_that_nobody_heard_of_gives_the_place_back_at_the_next_start(log, runs):
    run = runs.request()
    Saga(log, runs).work()
    runs.end(run)
    saga, stop = Saga(log, runs), threading.Event()
    waits = saga.queue.wait

    def wait_once(seconds: float) -> None:
        waits(0.0)
        if not held(log):
            stop.set()

    saga.queue.wait = wait_once
    saga.worker.run(stop)
    assert held(log) == set()


def test_a_run_that_was_cancelled_while_it_waited_gets_no_place(log, runs):
    run = runs.request()
    saga = Saga(log, runs)
    saga.queue.look()
    runs.decide(run, lambda one: one.cancel(datetime.now(UTC)))
    while not saga.worker.step():
        continue
    assert (held(log), saga.started, list(saga.queue.waiting())) == (set(), [], [])


def test_of_two_workers_the_one_who_comes_second_takes_what_is_left(log, runs):
    wanted = [runs.request() for _ in range(3)]
    one, other = Saga(log, runs), Saga(log, runs)
    for saga in (one, other):
        saga.queue.look()
        saga.worker.step() if saga is other else saga.worker._pools.current(datetime.now(UTC))
    while not one.worker.step():
        continue
    assert held(log) == set(wanted[:2])
    assert one.started == []
    runs.end(wanted[0])
    one.queue.ended(wanted[0])
    for _ in range(5):
        one.worker.step()
    assert held(log) == set(wanted[1:])


def test_many_workers_at_once_give_no_place_twice_and_none_too_many(journal, runs):
    logs = [MongoEventLog(journal) for _ in range(4)]
    for number in range(24):
        runs.request((ANN, BOB)[number % 2])
    sagas = [Saga(log, runs, at_once=4, of_one=3) for log in logs]
    most = []

    def work(saga: Saga) -> None:
        while waiting := runs.waiting():
            saga.queue.hear(Hint(one.execution, one) for one in waiting)
            saga.work()
            taken = held(logs[0])
            most.append(len(taken))
            for run in taken:
                end_quietly(run)
                saga.queue.ended(run)
            saga.worker._pools.reload()

    def end_quietly(run: UUID) -> None:
        with suppress(ExecutionEnded, VersionConflict):  # another worker was first
            runs.end(run)

    threads = [threading.Thread(target=work, args=(saga,)) for saga in sagas]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert max(most) <= 4
    assert len(runs.placed()) == 24
    started = [task.execution for saga in sagas for task in saga.started]
    assert sorted(started) == sorted(runs.requested)


def test_a_run_whose_limits_are_not_allowed_any_more_ends_in_words_and_takes_no_place(log, runs):
    run = runs.request()
    saga = Saga(log, runs, ceilings=Limits(pids=1))
    saga.work()
    ended = runs.load(run)
    assert (ended.status, ended.outcome.reason) == (
        Status.INTERNAL_ERROR,
        "its limits are above what is allowed here by now",
    )
    assert (held(log), saga.started) == (set(), [])


@pytest.mark.parametrize(
    ("has_started", "late", "status", "step"),
    [
        (False, START_WITHIN, Status.INTERNAL_ERROR, Step.CREATE),
        (True, timedelta(hours=1), Status.LOST, Step.WATCH),
    ],
)
def test_a_step_that_takes_too_long_is_given_up_and_the_place_comes_back(
    log, runs, monkeypatch, has_started, late, status, step
):
    monkeypatch.setattr(orchestrator, "RELEASE_SECONDS", 0.0)
    monkeypatch.setattr(deadlines, "GRACE_SECONDS", 0.0)
    run = runs.request()
    saga = Saga(log, runs)
    saga.work()
    if has_started:
        runs.decide(run, lambda one: one.start(datetime.now(UTC)))
    in_time, too_late = datetime.now(UTC), datetime.now(UTC) + late + timedelta(seconds=1)
    Deadlines(log, HOUR).enforce([run], in_time)
    assert not runs.load(run).status.is_final
    Deadlines(log, HOUR).enforce([run], too_late)
    assert runs.load(run).status is status
    assert log.load(domain.saga.Saga, saga_of(run)).compensated is step
    saga.queue.ended(run)
    saga.work()
    assert held(log) == set()
    assert log.load(domain.saga.Saga, saga_of(run)).is_released


def test_nothing_is_given_up_soon_after_the_start_because_nobody_could_tell_of_anything_before(log, runs):
    run = runs.request()
    Saga(log, runs).work()
    later = datetime.now(UTC) + timedelta(hours=2)
    Deadlines(log, HOUR).enforce([run], later)
    assert Deadlines(log, HOUR).end_waiting([runs.requested[run]], later) == ()
    assert not runs.load(run).status.is_final


def test_a_run_that_waits_too_long_ends_in_words_and_one_that_got_its_place_meanwhile_goes_on(log, runs, monkeypatch):
    monkeypatch.setattr(deadlines, "GRACE_SECONDS", 0.0)
    placed, waiting = runs.request(), runs.request()
    saga = Saga(log, runs, at_once=1)
    saga.work()
    both, limits = [runs.requested[run] for run in (placed, waiting)], Deadlines(log, HOUR)
    assert limits.end_waiting(both, datetime.now(UTC) + timedelta(minutes=59)) == []
    assert limits.end_waiting(both, datetime.now(UTC) + timedelta(minutes=61)) == [placed, waiting]
    assert runs.load(placed).status is Status.STARTING
    ended = runs.load(waiting)
    assert (ended.status, ended.outcome.reason) == (
        Status.INTERNAL_ERROR,
        "no place came free within 3,600 seconds",
    )
    assert log.history(waiting)[-1].causation == log.history(waiting)[0].id


def test_a_worker_ends_what_waits_too_long_and_forgets_it(log, runs, monkeypatch):
    monkeypatch.setattr(deadlines, "GRACE_SECONDS", 0.0)
    run = runs.request()
    saga, stop = Saga(log, runs, at_once=0, wait=timedelta()), threading.Event()
    saga.queue.wait = lambda _: stop.set()
    saga.worker.run(stop)
    assert runs.load(run).status is Status.INTERNAL_ERROR
    assert list(saga.queue.waiting()) == []


def test_a_long_pool_goes_on_in_other_streams_which_a_new_worker_finds(log, runs, monkeypatch):
    monkeypatch.setattr(pools, "LONG_EVENTS", 3)
    saga = Saga(log, runs)
    for _ in range(12):
        run = runs.request()
        saga.work()
        runs.end(run)
        saga.queue.ended(run)
    kept = runs.request()
    Saga(log, runs).work()
    current = Pools(log).current(datetime.now(UTC))
    assert current.number > 4
    assert kept in current.held
