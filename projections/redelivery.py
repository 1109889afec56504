"""Parked events that could be folded by now are tried again; how many wait is told for as long as any do."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from threading import Event
from typing import Protocol

from application.dead_letters import DeadLetters
from application.handler import following
from application.ports.log import EventLog, LogUnavailable, Recorded
from application.ports.surroundings import Clock, Roles
from domain.dead_letter import DeadLetter, letters_of
from projections.mailbox import Mailbox, Parked, event_of, trouble_now
from projections.projection import Projection

log = logging.getLogger(__name__)

ACTOR = "worker:deadletters"
ROLE = "dead letters"
LOOK_EVERY_SECONDS = 2.0
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=10), timedelta(hours=1)
MOST_TRIES = 8
"""For one event, until somebody else decides on it: more would be of no use."""
MOST_AT_ONCE = 100
"""Streams that are tried again at one look, so that others come to the log as well."""


class Alarm(Protocol):
    """Whoever has to know that events wait."""

    def tell(self, parked: Mapping[str, int]) -> None:
        """How many do, by projection; empty where this process does not know it any more."""


class Post(Protocol):
    """Where others read what happens to letters."""

    def deliver(self) -> None:
        """Send what has happened since the last time, at least once. Raises LogUnavailable or Undelivered."""


class Undelivered(Exception):
    """They are sent later."""


class Redelivery:
    """One at a time is active. A try is an event, so it is made only where folding the letter succeeds here."""

    def __init__(
        self,
        log: EventLog,
        clock: Clock,
        roles: Roles,
        mailbox: Mailbox,
        letters: DeadLetters,
        projections: Mapping[str, Projection],
        alarm: Alarm,
        post: Post,
    ) -> None:
        self._log = log
        self._clock = clock
        self._roles = roles
        self._mailbox = mailbox
        self._letters = letters
        self._projections = projections
        self._alarm = alarm
        self._post = post
        self._waits = Waits()
        self._told = 0

    def run(self, stop: Event) -> None:
        """Work until told to stop, while no other process does. Raises LogUnavailable."""
        while not stop.is_set():
            with self._roles.hold(ROLE) as lost:
                while lost and not (lost.is_set() or stop.is_set()):
                    self._try_to_look()
                    stop.wait(LOOK_EVERY_SECONDS)
            self._alarm.tell({})
            stop.wait(LOOK_EVERY_SECONDS)

    def _try_to_look(self) -> None:
        try:
            self.look()
            self._post.deliver()
        except (LogUnavailable, Undelivered) as error:
            log.warning("dead letters are looked at again in %.0f s: %s", LOOK_EVERY_SECONDS, error)

    def look(self) -> None:
        """Once: raise the alarm, and try what is due. Raises LogUnavailable."""
        self._raise_alarm(self._mailbox.counts())
        causes = self._mailbox.causes()
        self._waits.keep(causes)
        due = [cause for cause in causes if self._waits.is_due(cause, self._clock.now())]
        for cause in due[:MOST_AT_ONCE]:
            self._waits.lengthen(cause, self._clock.now())
            self._try(cause)

    def _raise_alarm(self, parked: Mapping[str, int]) -> None:
        self._alarm.tell(parked)
        total = sum(parked.values())
        if total > self._told:
            by_name = ", ".join(f"{name}: {number}" for name, number in sorted(parked.items()) if number)
            log.error("%d events are parked (%s); `runledger dlq list` shows them", total, by_name)
        elif self._told and not total:
            log.info("no event is parked any more")
        self._told = total

    def _try(self, cause: Parked) -> None:
        projection = self._projections.get(cause.projection)
        event = event_of(self._log, cause)
        if projection is None or trouble_now(projection, event) is not None:
            return
        if is_worth_a_try(cause, self._log.history(letters_of(cause.projection, cause.stream))):
            log.info("%s is to go on with stream %s", cause.projection, cause.stream)
            context = following(ACTOR, event, self._clock.now())
            self._letters.retry(context, cause.projection, cause.stream)


def is_worth_a_try(cause: Parked, decisions: Sequence[Recorded]) -> bool:
    """Not one that is to be left out, nor one that was tried often enough since somebody else decided on its stream."""
    if any(isinstance(one.data, DeadLetter.Discarded) and one.data.position == cause.position for one in decisions):
        return False
    own = takewhile(lambda one: one.actor == ACTOR and one.position > cause.position, reversed(decisions))
    return sum(isinstance(one.data, DeadLetter.RetryRequested) for one in own) < MOST_TRIES


class Waits:
    """When each letter is next looked at: later and later. A process that has just started looks at all old ones."""

    def __init__(self) -> None:
        self._next: dict[tuple[str, int], tuple[datetime, timedelta]] = {}

    def keep(self, causes: Iterable[Parked]) -> None:
        """Forget all others."""
        keys = set(map(_key, causes))
        self._next = {key: wait for key, wait in self._next.items() if key in keys}

    def is_due(self, cause: Parked, now: datetime) -> bool:
        due, _ = self._next.get(_key(cause), (cause.parked_at + FIRST_WAIT, FIRST_WAIT))
        return now >= due

    def lengthen(self, cause: Parked, now: datetime) -> None:
        _, wait = self._next.get(_key(cause), (now, FIRST_WAIT / 2))
        wait = min(2 * wait, LONGEST_WAIT)
        self._next[_key(cause)] = now + wait, wait


def _key(cause: Parked) -> tuple[str, int]:
    return cause.projection, cause.position
