"""Does the replays that are asked for: event by event into their targets, from a durable mark."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from threading import Event, Thread
from uuid import UUID

import msgspec

from application.backlog import Backlog
from application.handler import change, following
from application.outlets import (
    Mark,
    Marks,
    Outlet,
    Outlets,
    Selected,
    Selecting,
    Stopped,
    TargetRefused,
    TargetUnavailable,
)
from application.ports.log import EventLog, LogUnavailable, UnreadableEvent
from application.ports.surroundings import Clock, Roles
from application.progress import Progress, Tell
from domain.replay import Kind, Replay, ReplayStatus

log = logging.getLogger(__name__)

ACTOR = "worker:replay"
IDLE_SECONDS = 1.0
LOOK_EVERY_SECONDS = 0.2
"""How soon a pause or a cancellation is seen."""
TAKE_OVER_SECONDS = 1.5
"""How long whoever is to go on waits for the one who has just been told to stop."""
MOST_EVENTS = 500
"""Of one step, after which the mark moves."""


class ReplayTask(msgspec.Struct, frozen=True):
    """A replay that has to be looked after, because of one event of it."""

    id: UUID
    """The event's id."""
    replay: UUID
    correlation: UUID
    trace: str
    position: int = 0


class Replaying:
    """Works off its backlog, each replay in a thread of its own. Killed at any point and run again, it goes on."""

    def __init__(
        self,
        log: EventLog,
        clock: Clock,
        backlog: Backlog[ReplayTask],
        roles: Roles,
        selecting: Selecting,
        marks: Marks,
        outlets: Mapping[Kind, Callable[[], Outlets]],
        progress: Progress,
    ) -> None:
        self._log = log
        self._clock = clock
        self._backlog = backlog
        self._roles = roles
        self._selecting = selecting
        self._marks = marks
        self._outlets = outlets
        self._progress = progress

    def run(self, stop: Event) -> None:
        """Work until told to stop."""
        while not stop.is_set():
            for task in self._backlog.waiting():
                self._backlog.begin(task)
                Thread(target=self._try, args=(task, stop), name=f"replay {task.replay}", daemon=True).start()
            self._backlog.wait(IDLE_SECONDS)

    def _try(self, task: ReplayTask, stop: Event) -> None:
        is_done = False
        try:
            is_done = self._do(task, stop)
        except (Stopped, LogUnavailable, TargetUnavailable) as reason:
            log.warning("replay %s is interrupted: %s", task.replay, str(reason) or type(reason).__name__)
        except Exception:
            log.exception("replay %s failed; it is tried again", task.replay)
        self._backlog.done(task) if is_done else self._backlog.give_back(task)

    def _do(self, task: ReplayTask, stop: Event) -> bool:
        """Whether there is nothing left to do. Somebody else may still be at it; then it is looked at again later."""
        deadline = time.monotonic() + TAKE_OVER_SECONDS
        while time.monotonic() < deadline and not stop.is_set():
            with self._roles.hold(f"replay {task.replay}") as lost:
                if lost is not None:
                    self._see_to(task, lambda: stop.is_set() or lost.is_set())
                    return True
            stop.wait(LOOK_EVERY_SECONDS / 2)
        return False

    def _see_to(self, task: ReplayTask, is_to_stop: Callable[[], bool]) -> None:
        replay = self._log.load(Replay, task.replay)
        if replay.status is ReplayStatus.RUNNING:
            tell = partial(self._progress.tell, "replay", str(replay.id))
            session = Session(self._log, self._selecting, self._marks, replay, is_to_stop, tell)
            self._replay(task, session, self._outlets[replay.target.kind]())
            replay = self._log.load(Replay, task.replay)
        if replay.status.leaves_nothing and not replay.is_discarded:
            self._discard(task, replay)

    def _replay(self, task: ReplayTask, session: "Session", outlets: Outlets) -> None:
        try:
            made = session.run(outlets.outlet(session.replay))
        except (TargetRefused, UnreadableEvent) as refusal:
            reason = str(refusal)
            self._change(task, lambda replay: replay.fail(session.mark.events, reason, self._clock.now()))
        except TargetUnavailable as trouble:
            session.tell(str(trouble))
            raise
        else:
            if made is not None:
                self._change(task, lambda replay: replay.complete(session.mark.events, made, self._clock.now()))

    def _discard(self, task: ReplayTask, replay: Replay) -> None:
        mark = self._marks.claim(replay.id)
        self._outlets[replay.target.kind]().discard(replay, mark)
        self._change(task, lambda replay: replay.discard(mark.events, self._clock.now()))
        self._marks.forget(replay.id)

    def _change(self, task: ReplayTask, decide: Callable[[Replay], object]) -> None:
        context = following(ACTOR, task, self._clock.now())
        change(self._log, context, Replay, task.replay, decide)


class Session:
    """One replay while it runs here: from its mark to the end, a pause, a cancellation, or a stop."""

    def __init__(
        self,
        log: EventLog,
        selecting: Selecting,
        marks: Marks,
        replay: Replay,
        is_to_stop: Callable[[], bool],
        tell: Tell,
    ) -> None:
        self._log = log
        self._selecting = selecting
        self._marks = marks
        self._is_to_stop = is_to_stop
        self._tell = tell
        self._looked_at = time.monotonic()
        self._pace = Pace(replay.speed)
        self.replay = replay
        self.mark = marks.claim(replay.id)

    def run(self, outlet: Outlet) -> str | None:
        """What was made; None when it was told not to go on. Raises Stopped, and what an outlet raises."""
        try:
            self._open(outlet)
            for events, upto in self._steps():
                written = outlet.write(events, upto, self.mark)
                self._move(written, position=upto, events=self.mark.events + len(events))
                self._tell(self.mark.events, self.replay.total)
                if not self._may_go_on(self._pace.wait_after(len(events))):
                    return None
            return self._end(outlet)
        except TargetRefused:
            self._move(self.mark)  # what is in the way of somebody who was taken for dead is what others have made
            raise
        finally:
            outlet.close()

    def tell(self, trouble: str) -> None:
        """Say what is waited for, where that can be said."""
        with suppress(Stopped, LogUnavailable):
            self._move(self.mark, trouble=trouble)

    def _open(self, outlet: Outlet) -> None:
        if not self.mark.is_begun:
            outlet.begin()
            self._move(self.mark, is_begun=True, position=self.replay.selection.first - 1)
        opened = outlet.open(self.mark)
        is_earlier = opened.position < self.mark.position
        self._move(opened, events=self._count(opened.position) if is_earlier else self.mark.events, trouble="")

    def _count(self, upto: int) -> int:
        """How many there are up to there."""
        selection = msgspec.structs.replace(self.replay.selection, last=upto)
        return sum(len(page.events) for page in self._selecting.pages(selection, selection.first - 1))

    def _steps(self) -> Iterator[tuple[Sequence[Selected], int]]:
        """What is written together, and how far the log is gone through then."""
        most, last = self._pace.events_at_once, self.replay.selection.last
        for page in self._selecting.pages(self.replay.selection, self.mark.position):
            for begin in range(0, len(page.events), most):
                part = page.events[begin : begin + most]
                yield part, part[-1].position
            if page.upto == last:
                yield (), last
            elif not page.events and not self._may_go_on(0):
                return

    def _end(self, outlet: Outlet) -> str | None:
        if self.mark.position == self.replay.selection.last:
            return outlet.finish(self.mark)
        if self._is_running():
            raise LogUnavailable(f"the log could not be read beyond position {self.mark.position}")
        return None

    def _move(self, mark: Mark, **fields: int | bool | str) -> None:
        moved = msgspec.structs.replace(mark, **fields)
        self._marks.move(self.replay.id, moved)
        self.mark = moved

    def _may_go_on(self, wait: float) -> bool:
        """After a wait, in which it is looked now and then whether it was paused or cancelled. Raises Stopped."""
        until = time.monotonic() + wait
        while True:
            if self._is_to_stop():
                raise Stopped
            if time.monotonic() - self._looked_at > LOOK_EVERY_SECONDS and not self._is_running():
                return False
            if (left := until - time.monotonic()) <= 0:
                return True
            time.sleep(min(left, LOOK_EVERY_SECONDS))

    def _is_running(self) -> bool:
        self._looked_at = time.monotonic()
        return self._log.load(Replay, self.replay.id).status is ReplayStatus.RUNNING


class Pace:
    """So many events a second; 0 for as fast as it goes."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._begun_at = time.monotonic()
        self._events = 0

    @property
    def events_at_once(self) -> int:
        """So few that a look comes soon."""
        return max(1, min(MOST_EVENTS, int(self._speed * LOOK_EVERY_SECONDS))) if self._speed else MOST_EVENTS

    def wait_after(self, events: int) -> float:
        """In seconds."""
        self._events += events
        if not self._speed:
            return 0.0
        return max(0.0, self._begun_at + self._events / self._speed - time.monotonic())
