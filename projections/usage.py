"""What each person has used each day (UTC), added up from the rows of their runs."""

from datetime import date
from uuid import UUID

import msgspec

from projections.projection import Sums


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Of the runs requested on a day; one that has not ended counts as 0 seconds so far. Sizes in bytes."""

    day: date
    number: int
    wall_seconds: float
    cpu_seconds: float
    stdout_bytes: int
    stderr_bytes: int


def by_day(owner: UUID, after: int) -> Sums:
    """A person's days, of the runs requested after a position, the newest first."""
    wanted = {"owner": owner, "requested_position": {"$gt": after}}
    numbers = ("wall_seconds", "cpu_seconds", "stdout_bytes", "stderr_bytes")
    return Sums("execution_history", wanted, "requested_at", numbers)
