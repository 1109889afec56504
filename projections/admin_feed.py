"""How many events there are in each lane, for the live stream of admins.

The events themselves are read from the log, up to where this read model is: a line per event, even with many of them
in a document, would cost the live fold a quarter of its speed.
"""

from collections.abc import Iterator
from typing import Any

from application.ports.log import Recorded
from domain.execution import Execution
from domain.read_model import ReadModel
from domain.replay import Replay
from projections.projection import Add, Projection


def fold(event: Recorded) -> Iterator[Add]:
    yield Add(f"lane {event.lane}", events=1)


def about(event: Recorded) -> str:
    """A word that tells an event from others of its type, without private content."""
    data: Any = event.data
    match data:
        case Execution.Requested(language=language):
            return language
        case Execution.Finished(outcome=outcome):
            return outcome.status.value
        case ReadModel.Ended(work=work):
            return work.ending.value
        case Replay.Prepared(target=target):
            return target.kind.value
        case ReadModel.Named() | ReadModel.Event():
            return getattr(data, "projection", "")
    return ""


PROJECTION = Projection("admin_feed", 1, fold, is_by_stream=False, is_patient=True)
