"""Every aggregate and every event type of the system, by the name it is stored under."""

from domain.aggregate import Aggregate
from domain.dead_letter import DeadLetter
from domain.execution import Execution
from domain.name import Name
from domain.pool import Pool
from domain.read_model import ReadModel
from domain.replay import Replay
from domain.saga import Saga
from domain.user import User

AGGREGATES: tuple[type[Aggregate], ...] = (DeadLetter, Execution, Name, Pool, ReadModel, Replay, Saga, User)


def _events_of(aggregate: type[Aggregate]) -> dict[str, type]:
    return {
        f"{aggregate.name}.{name}": value
        for name, value in vars(aggregate).items()
        if isinstance(value, type)
        and issubclass(value, (Aggregate.Event, Aggregate.Created))
        and name not in {"Event", "Created"}
    }


EVENTS: dict[str, type] = {name: kind for aggregate in AGGREGATES for name, kind in _events_of(aggregate).items()}
