"""Steering read models."""

from collections.abc import Callable, Collection

from application.handler import change
from application.ports import Context, EventLog, StreamNotFound, VersionConflict
from domain.aggregate import DomainError
from domain.read_model import ReadModel, read_model_of


class UnknownReadModel(DomainError):
    """There is no such read model."""


class ReadModels:
    """The commands on read models. Each returns the position of its event; a worker does the rest."""

    def __init__(self, log: EventLog, names: Collection[str]) -> None:
        self._log = log
        self._names = names

    def rebuild(self, context: Context, name: str, *, is_full: bool = False) -> int:
        """Raises UnknownReadModel or UnderWay."""
        return self._change(context, name, lambda model: model.rebuild(is_full=is_full, at=context.at))

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
        stream = read_model_of(name)
        try:
            return change(self._log, context, ReadModel, stream, decide)[1]
        except StreamNotFound:
            return self._begin(context, name, decide)

    def _begin(self, context: Context, name: str, decide: Callable[[ReadModel], object]) -> int:
        """Its first event goes with the decision, all or nothing."""
        named = ReadModel(id=read_model_of(name), projection=name, timestamp=context.at)
        decide(named)
        try:
            return self._log.save(context, named)
        except VersionConflict:
            return change(self._log, context, ReadModel, named.id, decide)[1]

    def check(self, name: str) -> None:
        """Raises UnknownReadModel."""
        if name not in self._names:
            raise UnknownReadModel(f"There is no read model {name!r}; there are {', '.join(sorted(self._names))}.")
