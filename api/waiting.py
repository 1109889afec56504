"""Reads that wait until a read model has come to a position."""

import asyncio
import time

from api.backend import Backend
from api.problems import Problem

LONGEST_SECONDS = 2.0
LOOK_EVERY_SECONDS = 0.01


async def until(backend: Backend, projection: str, position: int) -> None:
    """Wait for a read model. Raises a Problem with status 504 after 2 s."""
    if position <= 0:
        return
    deadline = time.monotonic() + LONGEST_SECONDS
    while not await _is_there(backend, projection, position):
        if time.monotonic() > deadline:
            raise Problem(504, f"{projection} has not come to position {position} within 2 s; try again in a moment.")
        await asyncio.sleep(LOOK_EVERY_SECONDS)


async def _is_there(backend: Backend, projection: str, position: int) -> bool:
    events = await backend.cross(backend.log.read, position - 1, 1)
    return bool(events) and await backend.read_models.position(projection, events[0].lane) >= position
