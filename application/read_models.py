"""Steering read models."""

from collections.abc import Callable, Collection

from application.handler import begin_or_change
from application.ports.log import Context, EventLog
from domain.aggregate import DomainError
from domain.read_model import ReadModel, read_model_of


class UnknownReadModel(DomainError):
    """There is no such read model."""


class ReadModels:
    """The commands on read models. Each returns the position of its event; a worker does the rest."""

    def __init__(self, log: EventLog, names: Collection[str], tasks: Collection[str]) -> None:
        """`tasks`: read models that hold what workers have yet to do."""
        self._log = log
        self._names = names
        self._tasks = tasks

    def rebuild(self, context: Context, name: str, *, is_full: bool = False) -> int:
        """Raises UnknownReadModel or UnderWay."""
        return self._change(context, name, lambda model: model.rebuild(is_full=is_full, at=context.at))

    def verify(self, context: Context, name: str, *, is_full: bool = False) -> int:
        """Raises UnknownReadModel."""
        return self._change(context, name, lambda model: model.verify(is_full=is_full, at=context.at))

    def roll_back(self, context: Context, name: str) -> int:
        """Raises UnknownReadModel, UnderWay or NothingToGoBackTo."""
        return self._change(context, name, lambda model: model.roll_back(context.at))

    def drop_previous(self, context: Context, name: str) -> int:
        """Raises UnknownReadModel, UnderWay or NothingToGoBackTo."""
        return self._change(context, name, lambda model: model.drop_previous(context.at))

    def pause(self, context: Context, name: str) -> int:
        """Raises UnknownReadModel."""
        return self._change(context, name, lambda model: model.pause(context.at))

    def resume(self, context: Context, name: str) -> int:
        """Raises UnknownReadModel."""
        return self._change(context, name, lambda model: model.resume(context.at))

    def _change(self, context: Context, name: str, decide: Callable[[ReadModel], object]) -> int:
        self.check(name)

        def begin() -> ReadModel:
            return ReadModel(id=read_model_of(name), projection=name, timestamp=context.at)

        return begin_or_change(self._log, context, ReadModel, begin, decide)

    def check(self, name: str) -> None:
        """Raises UnknownReadModel."""
        if name in self._tasks:
            raise UnknownReadModel(f"{name} holds what a worker has yet to do; that is never folded again or paused.")
        if name not in self._names:
            raise UnknownReadModel(f"There is no read model {name!r}; there are {', '.join(sorted(self._names))}.")
