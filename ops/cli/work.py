"""Waiting for what a worker does to a read model, with a bar."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

from ops.cli.output import Bar, progress

if TYPE_CHECKING:
    from domain.read_model import ReadModel
    from ops.containers.core import Core
    from projections.projection import Projection

LOOK_EVERY_SECONDS = 0.2
PATIENCE_SECONDS = 5.0


def until_ended(container: "Core", projection: "Projection") -> "ReadModel":
    """Returns when nothing is under way any more; the read model says what came of it."""
    from domain.read_model import ReadModel, read_model_of  # noqa: PLC0415

    id, tell_of_nobody = read_model_of(projection.name), patience()
    with progress("waiting") as bar, _heard(container, projection.name, bar) as has_begun:
        while (model := container.log().load(ReadModel, id)).is_under_way:
            (overview,) = container.lookout().overview([projection])
            if not (overview.building or has_begun.is_set()):
                tell_of_nobody()
            time.sleep(LOOK_EVERY_SECONDS)
    return model


@contextmanager
def _heard(container: "Core", name: str, bar: Bar) -> Iterator[Event]:
    """What workers tell of it moves the bar, and sets the event. Without Redis the bar stands still."""
    from adapters.redis.channels import PROGRESS, decode_reached  # noqa: PLC0415
    from adapters.redis.hearing import hear  # noqa: PLC0415

    closed, has_begun = Event(), Event()

    def take(message: bytes) -> None:
        reached = decode_reached(message)
        if reached.name == name and not closed.is_set():
            has_begun.set()
            bar(reached.upto, reached.of, reached.kind)

    Thread(target=hear, args=(container.redis(), PROGRESS, closed, take, "progress"), daemon=True).start()
    try:
        yield has_begun
    finally:
        closed.set()


def patience() -> Callable[[], None]:
    """Says once, after a while, that nobody has begun; it is to be called until somebody has."""
    ends_at = time.monotonic() + PATIENCE_SECONDS
    said: list[bool] = []

    def tell() -> None:
        if not said and time.monotonic() > ends_at:
            said.append(True)
            sys.stderr.write("Nobody has begun yet; is a `runledger worker replay` running?\n")

    return tell
