"""Every read model there is."""

from projections import (
    admin_feed,
    event_stats,
    execution_history,
    execution_status,
    maintenance_tasks,
    me_feed,
    replay_tasks,
    replays,
    saga_hints,
    sagas,
    sandbox_tasks,
    user_directory,
)
from projections.projection import Projection

READ_MODELS: tuple[Projection, ...] = (
    execution_status.PROJECTION,
    execution_history.PROJECTION,
    me_feed.PROJECTION,
    admin_feed.PROJECTION,
    replays.PROJECTION,
    user_directory.PROJECTION,
    event_stats.PROJECTION,
    sagas.PROJECTION,
)
EFFECTS: tuple[Projection, ...] = (
    saga_hints.SAGA_HINTS,
    sandbox_tasks.EXECUTOR,
    sandbox_tasks.MONITOR,
    sandbox_tasks.RESULTS,
    maintenance_tasks.MAINTENANCE,
    replay_tasks.REPLAY_TASKS,
)

BY_NAME = {projection.name: projection for projection in READ_MODELS}
TASKS = frozenset(projection.name for projection in EFFECTS)
ALL = {projection.name: projection for projection in (*READ_MODELS, *EFFECTS)}

SHOWN = (*READ_MODELS, *(effect for effect in EFFECTS if not effect.is_hint))
"""Those that can be behind: what is only told leaves nothing."""
