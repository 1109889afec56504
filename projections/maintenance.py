"""Does to read models what their operators asked for."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from threading import Event, Thread
from uuid import UUID

from application.backlog import Backlog
from application.handler import change, following
from application.ports.log import Context, EventLog, LogDamaged, LogUnavailable
from application.ports.surroundings import Clock, Roles
from application.progress import Progress
from domain.read_model import Ending, ReadModel, Verification, Work, read_model_of
from projections.generations import Generations
from projections.maintenance_tasks import Chore, MaintenanceTask
from projections.projection import Projection
from projections.rebuild import Hands, Rebuild, Rebuilt, Refused, Stopped
from projections.store import CursorLost
from projections.verification import NOTHING

log = logging.getLogger(__name__)

ACTOR = "worker:replay"
IDLE_SECONDS = 1.0
LONG = {Chore.REBUILD, Chore.ROLL_BACK, Chore.VERIFY}


class Maintenance:
    """Works off its backlog. Every task may be done twice without harm; long ones have a thread of their own."""

    def __init__(
        self,
        log: EventLog,
        clock: Clock,
        backlog: Backlog[MaintenanceTask],
        roles: Roles,
        generations: Generations,
        projections: Mapping[str, Projection],
        rebuild_of: Callable[[Projection, UUID], Rebuild],
        hands: Hands,
        progress: Progress,
    ) -> None:
        self._log = log
        self._clock = clock
        self._backlog = backlog
        self._roles = roles
        self._generations = generations
        self._projections = projections
        self._rebuild_of = rebuild_of
        self._hands = hands
        self._progress = progress

    def run(self, stop: Event) -> None:
        """Work until told to stop."""
        while not stop.is_set():
            for task in self._backlog.waiting():
                self._backlog.begin(task)
                if task.work in LONG:
                    name = f"{task.work} {task.projection}"
                    Thread(target=self._try, args=(task, stop), name=name, daemon=True).start()
                else:
                    self._try(task, stop)
            self._backlog.wait(IDLE_SECONDS)

    def _try(self, task: MaintenanceTask, stop: Event) -> None:
        try:
            is_done = self._do(task, stop)
        except (CursorLost, Stopped, LogUnavailable) as reason:
            log.warning("%s of %s is interrupted: %s", task.work, task.projection, reason or type(reason).__name__)
            is_done = False
        except Exception:
            log.exception("%s of %s failed; it is tried again", task.work, task.projection)
            is_done = False
        self._backlog.done(task) if is_done else self._backlog.give_back(task)

    def _do(self, task: MaintenanceTask, stop: Event) -> bool:
        if task.projection not in self._projections:
            log.warning("there is no read model %s any more", task.projection)
            return True
        match task.work:
            case Chore.PAUSE | Chore.RESUME:
                self._generations.pause(task.projection, is_paused=task.work is Chore.PAUSE)
            case Chore.DROP_PREVIOUS:
                self._generations.drop_previous(task.projection)
            case Chore.VERIFY:
                self._verify(task, stop)
            case Chore.REBUILD | Chore.ROLL_BACK:
                return self._make_live(task, stop)
        return True

    def _make_live(self, task: MaintenanceTask, stop: Event) -> bool:
        with self._roles.hold(f"rebuild {task.projection}") as lost:
            if lost is None:
                return False
            try:
                rebuilt = self._rebuild(task, _Either(stop, lost))
            except (Refused, LogDamaged) as refusal:
                self._end(task, Ending.REFUSED, str(refusal), self._live(task))
            else:
                self._end(task, Ending.LIVE, "", rebuilt)
        return True

    def _rebuild(self, task: MaintenanceTask, stop: Event) -> Rebuilt:
        rebuild = self._rebuild_of(self._projections[task.projection], task.id)
        return rebuild.run(stop, is_full=task.is_full) if task.work is Chore.REBUILD else rebuild.roll_back(stop)

    def _verify(self, task: MaintenanceTask, stop: Event) -> None:
        generation = self._generations.pointer(task.projection).generation
        projection = self._projections[task.projection]
        tell = partial(self._progress.tell, task.work.value, task.projection)
        try:
            found = self._hands.verify(projection, generation, stop, tell, is_full=task.is_full)
        except LogDamaged as damage:
            verification = Verification(generation, 0, NOTHING.digest, 1, str(damage))
        else:
            first = found.findings[0].in_words if found.findings else ""
            verification = Verification(generation, found.documents, found.digest, len(found.findings), first)
        self._change(task, lambda model: model.end_verification(verification, self._clock.now()))

    def _live(self, task: MaintenanceTask) -> Rebuilt:
        return Rebuilt(self._generations.pointer(task.projection).generation, NOTHING)

    def _end(self, task: MaintenanceTask, ending: Ending, reason: str, live: Rebuilt) -> None:
        work = Work(ending, reason, live.generation, live.verified.documents, live.verified.digest)
        self._change(task, lambda model: model.end(work, self._clock.now()))

    def _change(self, task: MaintenanceTask, decide: Callable[[ReadModel], object]) -> None:
        change(self._log, self._context(task), ReadModel, read_model_of(task.projection), decide)

    def _context(self, task: MaintenanceTask) -> Context:
        return following(ACTOR, task, self._clock.now())


class _Either(Event):
    """Set when one of the others is."""

    def __init__(self, *others: Event) -> None:
        super().__init__()
        self._others = others

    def is_set(self) -> bool:
        return any(other.is_set() for other in self._others)
