"""Passes on to a script what its run is given to read.

What was given before there was to be a sandbox is there from the start on; each piece after that is a task of its own.
"""

from collections.abc import Sequence

from application.orchestrator import sandbox_of
from application.ports.log import EventLog, Recorded
from application.ports.sandbox import InputMissing, Sandbox, SandboxNotFound
from application.ports.seals import Seals
from application.ports.work import Task
from domain.execution import Execution, ExecutionEnded


class Feeding:
    """The pieces of a run are numbered by their bytes, so each may be passed on again without harm."""

    def __init__(self, log: EventLog, seals: Seals, sandbox: Sandbox) -> None:
        self._log = log
        self._seals = seals
        self._sandbox = sandbox

    def at_start(self, run: Execution) -> tuple[bytes, bool]:
        """What a script can read from its start on, and whether more may come. Raises Erased or ContentUnreadable."""
        first = self._seals.open(run.stdin) if run.stdin else b""
        if not run.input.is_asked_for:
            return first, False
        early, _ = _parted(self._log.recall_history(run.id))
        is_ended = any(event.data.is_last for event in early)
        return b"".join([first, *map(self._content, early)]), not is_ended

    def feed(self, task: Task) -> None:
        """Pass on the piece of this task, and those before it where they have not come.

        Raises ExecutionEnded, SandboxNotFound where there is no sandbox yet, SandboxUnreachable, LogUnavailable, Erased
        or ContentUnreadable.
        """
        early, late = _parted(self._history(task))
        upto = next((number for number, event in enumerate(late, 1) if event.id == task.id), 0)
        if not upto:  # it was there from the start on
            return
        base = sum(event.data.size for event in early)
        try:
            self._pass_on(late[upto - 1 : upto], base)
        except InputMissing:
            self._pass_on(late[:upto], base)
        except SandboxNotFound:
            if self._log.load(Execution, task.execution).status.is_final:
                raise ExecutionEnded from None
            raise

    def _history(self, task: Task) -> Sequence[Recorded]:
        """At least up to the task's event."""
        known = self._log.recall_history(task.execution)
        return known if any(event.id == task.id for event in known) else self._log.history(task.execution)

    def _pass_on(self, pieces: Sequence[Recorded], base: int) -> None:
        for event in pieces:
            given: Execution.InputGiven = event.data
            self._sandbox.feed(sandbox_of(event.stream), given.offset - base, self._content(event), given.is_last)

    def _content(self, event: Recorded) -> bytes:
        return self._seals.open(event.data.data) if event.data.data else b""


def _parted(history: Sequence[Recorded]) -> tuple[Sequence[Recorded], Sequence[Recorded]]:
    """The pieces of input before the intent to make a sandbox, and those after it."""
    made = next((event.version for event in history if isinstance(event.data, Execution.SandboxCreated)), None)
    given = [event for event in history if isinstance(event.data, Execution.InputGiven)]
    early = [event for event in given if made is None or event.version < made]
    return early, given[len(early) :]
