"""Reads that wait until a read model has come to a position."""

import asyncio

from api.backend import Backend
from api.problems import Problem
from projections.registry import BY_NAME

LONGEST_SECONDS = 2.0
LOOK_EVERY_SECONDS = 0.25
"""How often the store is asked, should a notice get lost."""

NEXT = {
    "live": "Try again in a moment.",
    "paused": "It is paused; an admin has to resume it.",
    "outdated": "Another version of this program made it; an admin has to rebuild it.",
}
"""What to do, by the state of a read model."""


async def until(backend: Backend, projection: str, position: int) -> None:
    """Wait for a read model. Raises a Problem with status 504 after 2 s."""
    if position <= 0:
        return
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            await _until(backend, projection, position)
    except TimeoutError:
        raise Problem(504, await _reason(backend, projection, position)) from None


async def _until(backend: Backend, projection: str, position: int) -> None:
    lane = await _lane(backend, position)
    while True:
        # Anew each time: another generation may have become live.
        generation = await backend.read_models.generation(projection)
        if await backend.read_models.position(projection, generation, lane) >= position:
            return
        try:
            async with asyncio.timeout(LOOK_EVERY_SECONDS):
                await backend.bus.moved(projection, generation, lane, position)
                return
        except TimeoutError:
            continue


async def _lane(backend: Backend, position: int) -> int:
    """Raises a Problem with status 422 for a position that nobody can have been told."""
    lane = await backend.cross(backend.log.lane_at, position)
    if lane is None:
        raise Problem(422, f"The log ends before position {position}; send one that a command has answered.")
    return lane


async def _reason(backend: Backend, projection: str, position: int) -> str:
    (found,) = await backend.cross(backend.lookout.overview, [BY_NAME[projection]])
    return (
        f"{projection} has not come to position {position} in 2 s; {found.lag} events are missing. {NEXT[found.state]}"
    )
