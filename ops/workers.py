"""The workers of one process: each is some threads that run until they are told to stop."""

import logging
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from threading import Event, Thread
from uuid import UUID

from adapters.mongo.log.listening import Listening
from application.ports.log import LogUnavailable, Recorded
from application.ports.work import Followed
from ops.containers.workers import Workers
from projections.changes import Changes, coalesce
from projections.engine import Engine
from projections.maintenance_tasks import MAINTENANCE, as_maintenance
from projections.projection import Projection
from projections.registry import READ_MODELS
from projections.replay_tasks import REPLAY_TASKS, as_replay_tasks
from projections.saga_hints import SAGA_HINTS, as_hints
from projections.sandbox_tasks import EXECUTOR, MONITOR, RESULTS, as_followed, as_tasks

log = logging.getLogger(__name__)

Run = Callable[[Event], None]

FOLDED_BY: dict[str, tuple[Projection, ...]] = {
    "projections": READ_MODELS,
    "saga": (SAGA_HINTS,),
    "executor": (EXECUTOR,),
    "monitor": (MONITOR,),
    "results": (RESULTS,),
    "replay": (MAINTENANCE, REPLAY_TASKS),
}
"""What each worker folds. Those of one process share one engine, so that a batch is one transaction for all."""

NAMES = ("relay", *FOLDED_BY, "deadletters")
LONGEST_WAIT_SECONDS = 10.0
STOP_SECONDS = 3.0


def run_workers(names: Sequence[str], container: Workers, only: Collection[str] = ()) -> None:
    """Run until SIGTERM or SIGINT. `only`: the read models to fold, where not all."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threads = [
        Thread(target=keep_running, args=(name, run, stop), name=name, daemon=True)
        for name, run in _runs(names, container, only).items()
    ]
    for thread in threads:
        thread.start()
    stop.wait()
    backlogs = (
        container.executor_backlog(),
        container.monitor_backlog(),
        container.results_backlog(),
        container.maintenance_backlog(),
        container.replay_backlog(),
    )
    for waiting in (*backlogs, container.queue()):
        waiting.wake()
    for thread in threads:
        thread.join(STOP_SECONDS)
    for backlog in backlogs:
        with suppress(LogUnavailable):  # done again after the next start, without harm
            backlog.forget_done()
    container.journal().close()


def _runs(names: Sequence[str], container: Workers, only: Collection[str]) -> dict[str, Run]:
    runs: dict[str, Run] = {}
    if "relay" in names:
        runs["relay"] = container.relay().run
        runs["writer"] = container.journal().leadership.run
    if "saga" in names:
        runs["listening"] = Listening(container.journal(), partial(overheard, container)).run
        runs["saga"] = container.orchestrator(container.executor().take if "executor" in names else nobody).run
    if "executor" in names:
        runs["executor"] = container.executor().run
    if "monitor" in names:
        runs["monitor"] = container.monitor(collected_by(container) if "results" in names else nobody).run
        runs["reconciler"] = container.reconciler().run
    if "results" in names:
        runs["results"] = container.results().run
    if "replay" in names:
        runs["maintenance"] = container.maintenance().run
        runs["replaying"] = container.replaying().run
    if "deadletters" in names:
        runs["redelivery"] = container.redelivery().run
    if any(name in FOLDED_BY for name in names):
        runs["engine"] = engine([name for name in names if name in FOLDED_BY], container, only).run
    return runs


def nobody(_: object) -> None:
    """They hear of it by its event."""


def overheard(container: Workers, events: Sequence[Recorded]) -> None:
    """A run that this process stores is given a place before Kafka has brought it."""
    container.log().remember(events)
    container.queue().hear(as_hints(coalesce(SAGA_HINTS, events)))


def collected_by(container: Workers) -> Callable[[UUID], None]:
    """A monitor tells the results worker beside it, which then need not wait for the end itself."""
    return lambda execution: container.results_backlog().offer([Followed(execution)])


def engine(names: Sequence[str], container: Workers, only: Collection[str] = ()) -> Engine:
    """One engine for what these workers fold."""
    return Engine(
        group=group_of(names, only),
        projections=[one for name in names for one in FOLDED_BY[name] if is_wanted(one, only)],
        feed=container.feed(),
        log=container.log(),
        store=container.read_models(),
        notices=container.notices(),
        listeners={
            EXECUTOR.name: lambda changes: container.executor_backlog().offer(as_tasks(changes)),
            SAGA_HINTS.name: lambda changes: container.queue().hear(as_hints(changes)),
            MONITOR.name: lambda changes: container.monitor_backlog().offer(as_followed(changes)),
            **results_hint(names, container),
            MAINTENANCE.name: lambda changes: container.maintenance_backlog().offer(as_maintenance(changes)),
            REPLAY_TASKS.name: lambda changes: container.replay_backlog().offer(as_replay_tasks(changes)),
        },
    )


def results_hint(names: Sequence[str], container: Workers) -> Mapping[str, Callable[[Changes], None]]:
    """Where no monitor is beside it, it waits for the end of each sandbox from the start on."""
    if "monitor" in names:
        return {}
    return {RESULTS.name: lambda changes: container.results_backlog().offer(as_followed(changes))}


def is_wanted(projection: Projection, only: Collection[str]) -> bool:
    return not only or projection.name in only or projection not in READ_MODELS


def group_of(names: Sequence[str], only: Collection[str] = ()) -> str:
    """Members of one group share its lanes, so all of them must fold the same."""
    return ":".join(["+".join(sorted(names)), *(["+".join(sorted(only))] if only else [])])


def keep_running(name: str, run: Run, stop: Event) -> None:
    """Run it again when it fails, with growing waits: what it depends on may come back."""
    wait = 0.1
    while not stop.is_set():
        try:
            run(stop)
        except Exception:
            log.exception("%s failed; it starts again in %.1f s", name, wait)
            stop.wait(wait)
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)
