"""Steering replays: what to select, what it comes to, and then start, pause, resume, cancel and drop."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec

from application.handler import change
from application.ledger import Entry, Ledger
from application.moments import NoSuchMoment, in_calendar
from application.outlets import Mark, Marks, Outlets, Selecting, TargetMisnamed
from application.ports.log import Context, EventLog
from application.ports.surroundings import Ids
from application.selection import SelectionRefused, check_order, check_types
from domain.replay import Kind, Replay, ReplayStatus, Selection, Target

SAMPLES = 3
SLOWEST = 0.0003
"""Events a second: about one in an hour."""
MILLISECOND = timedelta(milliseconds=1)
"""Commit times are kept in these."""
DEFAULT_NAMES = {Kind.FILE: "{id}.jsonl", Kind.TOPIC: "runledger.replay.{id}"}


Time = Annotated[datetime, msgspec.Meta(tz=True)]


class SpeedRefused(SelectionRefused):
    """The speed is a number of events a second, 0.0003 (one in an hour) or more; 0 is as fast as it goes."""


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which events; all that is given must hold. `since` is included, `until` is not; both are times of commits."""

    first: int | None = None
    last: int | None = None
    since: Time | None = None
    until: Time | None = None
    types: tuple[str, ...] = ()
    streams: tuple[UUID, ...] = ()
    users: tuple[UUID, ...] = ()


class Preview(msgspec.Struct, frozen=True):
    """What a replay comes to."""

    selection: Selection
    events: int
    by_type: dict[str, int]
    samples: list[Entry]
    """The first few; private content is sealed."""


class ReplayView(msgspec.Struct, frozen=True):
    """One replay: what was asked for, how far it is, and how it ended."""

    id: UUID
    status: ReplayStatus
    selection: Selection
    target: Target
    speed: float
    """Events a second; 0 for as fast as it goes."""
    total: int
    """How many events are selected."""
    events: int
    """How many of them are, or were, in the target."""
    position: int
    """Up to here the log has been gone through."""
    trouble: str
    """What is waited for, in words; empty while it goes on."""
    made: str
    """Where the events are, once all of them are there."""
    reason: str
    """Why it failed."""
    is_discarded: bool
    """What it had made is gone."""


class Replays:
    """The commands on replays; a worker does the rest."""

    def __init__(
        self,
        log: EventLog,
        ids: Ids,
        ledger: Ledger,
        selecting: Selecting,
        marks: Marks,
        types: Collection[str],
        outlets: Mapping[Kind, Callable[[], Outlets]],
    ) -> None:
        self._log = log
        self._ids = ids
        self._ledger = ledger
        self._selecting = selecting
        self._marks = marks
        self._types = types
        self._outlets = outlets

    def preview(self, wanted: Wanted) -> Preview:
        """Count, and show the first ones; nothing is changed. Raises SelectionRefused or NoSuchMoment."""
        selection = self._selection(wanted)
        by_type: Counter[str] = Counter()
        samples: list[Entry] = []
        for page in self._selecting.pages(selection, selection.first - 1):
            by_type.update(event.type for event in page.events)
            missing = [event.position for event in page.events[: SAMPLES - len(samples)]]
            samples += [found for position in missing if (found := self._ledger.find(position))]
        if not by_type:
            raise SelectionRefused("No event is selected; nothing would be replayed.")
        return Preview(selection, by_type.total(), dict(sorted(by_type.items())), samples)

    def check(self, target: Target, speed: float) -> None:
        """Raises TargetRefused or SpeedRefused."""
        if speed and not SLOWEST <= speed < math.inf:
            raise SpeedRefused
        if target.kind not in DEFAULT_NAMES and not target.name:
            raise TargetMisnamed("Name the read model to fold the events into.")
        if target.name:
            self._outlets[target.kind]().check(target.name)

    def prepare(
        self, context: Context, wanted: Wanted, target: Target, speed: float = 0.0, *, is_started: bool = False
    ) -> tuple[UUID, int]:
        """A new one, started at once if that is wanted, and the position of its last event. Raises as both above."""
        self.check(target, speed)
        preview = self.preview(wanted)
        id = self._ids.new()
        named = Target(target.kind, target.name or DEFAULT_NAMES[target.kind].format(id=id))
        replay = Replay(id, preview.selection, named, speed, preview.events, context.at)
        if is_started:
            replay.start(context.at)
        return id, self._log.save(context, replay)

    def start(self, context: Context, id: UUID) -> int:
        """All five return the position of the event, and raise StreamNotFound or ReplayIs."""
        return self._change(context, id, lambda replay: replay.start(context.at))

    def pause(self, context: Context, id: UUID) -> int:
        return self._change(context, id, lambda replay: replay.pause(context.at))

    def resume(self, context: Context, id: UUID) -> int:
        return self._change(context, id, lambda replay: replay.resume(context.at))

    def cancel(self, context: Context, id: UUID) -> int:
        return self._change(context, id, lambda replay: replay.cancel(context.at))

    def drop(self, context: Context, id: UUID) -> int:
        return self._change(context, id, lambda replay: replay.drop(context.at))

    def _change(self, context: Context, id: UUID, decide: Callable[[Replay], object]) -> int:
        return change(self._log, context, Replay, id, decide)[1]

    # Looking --------------------------------------------------------------------------------------------------

    def marks(self, ids: Sequence[UUID]) -> Mapping[UUID, Mark]:
        """How far they have come, those that were ever begun."""
        return self._marks.find(ids)

    def view(self, id: UUID) -> ReplayView:
        """Raises StreamNotFound."""
        replay, mark = self._log.load(Replay, id), self._marks.find([id]).get(id, Mark())
        return ReplayView(
            id=replay.id,
            status=replay.status,
            selection=replay.selection,
            target=replay.target,
            speed=replay.speed,
            total=replay.total,
            events=mark.events if replay.events is None else replay.events,
            position=mark.position,
            trouble=mark.trouble if replay.status is ReplayStatus.RUNNING else "",
            made=replay.made,
            reason=replay.reason,
            is_discarded=replay.is_discarded,
        )

    # What is selected -----------------------------------------------------------------------------------------

    def _selection(self, wanted: Wanted) -> Selection:
        check_types(wanted.types, self._types)
        check_order(wanted.since, wanted.until)
        head = self._ledger.head()
        first, last = max(self._firsts(wanted, head)), min(self._lasts(wanted, head))
        if first > last and head:
            raise SelectionRefused(f"No event is selected: the first would be at {first}, the last at {last}.")
        return Selection(first, last, wanted.types, wanted.streams, wanted.users)

    def _firsts(self, wanted: Wanted, head: int) -> Iterator[int]:
        yield 1
        if wanted.first is not None:
            yield _within(wanted.first, head)
        if wanted.since:
            yield self._ledger.position_at(in_calendar(wanted.since) - MILLISECOND) + 1

    def _lasts(self, wanted: Wanted, head: int) -> Iterator[int]:
        yield head
        if wanted.last is not None:
            yield _within(wanted.last, head)
        if wanted.until:
            if not (found := self._ledger.position_at(in_calendar(wanted.until) - MILLISECOND)):
                raise NoSuchMoment(f"Nothing had happened by {wanted.until.isoformat()}; name a later time.")
            yield found


def _within(position: int, head: int) -> int:
    if position < 1:
        raise NoSuchMoment(f"The log begins at position 1; there is none at {position}.")
    if position > head:
        raise NoSuchMoment(f"The log ends at position {head}; name that or an earlier one.")
    return position
