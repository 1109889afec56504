"""How much there is to tell people about their own in each lane, for the live stream of each person.

What happened, and to whose run, is read from the log, up to where this read model is: a document per run, with its
newest state and its owner, would cost the live fold a third of its speed.
"""

from collections.abc import Iterator

from application.ports.log import Recorded
from domain.execution import Execution, Status
from projections.projection import Add, Projection


def fold(event: Recorded) -> Iterator[Add]:
    """Also moves the cursor at once, which events that change nothing do not."""
    if status_after(event):
        yield Add(f"lane {event.lane}", events=1)


def status_after(event: Recorded) -> Status | None:
    """Where a run stands after an event of it; None for every other event."""
    match event.data:
        case Execution.Requested():
            return Status.QUEUED
        case Execution.SandboxCreated():
            return Status.STARTING
        case Execution.Started():
            return Status.RUNNING
        case Execution.Finished(outcome=outcome):
            return outcome.status
    return None


PROJECTION = Projection("me_feed", 1, fold, is_by_stream=False)
