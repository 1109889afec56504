"""How monitors and results workers go about it: a thread for each run, until their part is done."""

import logging
from collections.abc import Callable
from threading import Event, Thread
from uuid import UUID

from application.backlog import Backlog
from application.ports.work import Followed

log = logging.getLogger(__name__)

TRY_AGAIN_SECONDS = 0.02
IDLE_SECONDS = 1.0
LOOK_EVERY_TRIES = 20
"""Whoever looks for a sandbox in vain looks now and then whether the run has ended: others may have recorded it."""

Follow = Callable[[UUID, Event], bool]
"""Returns whether its part is done; else it was told to stop."""


def follow_all(backlog: Backlog[Followed], follow: Follow, stop: Event) -> None:
    """Until told to stop."""
    while not stop.is_set():
        for task in backlog.waiting():
            backlog.begin(task)
            Thread(target=_follow, args=(backlog, task, follow, stop), name=f"run {task.id}", daemon=True).start()
        backlog.wait(IDLE_SECONDS)


def _follow(backlog: Backlog[Followed], task: Followed, follow: Follow, stop: Event) -> None:
    try:
        if follow(task.id, stop):
            backlog.done(task)
    except Exception:
        log.exception("following run %s failed; it is tried again", task.id)
        backlog.give_back(task)
