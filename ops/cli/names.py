"""Names that people give, and those that there are."""

from collections.abc import Collection, Iterable

from ops.cli.output import Failed


def check_known(kind: str, wanted: Iterable[str], names: Collection[str]) -> None:
    """Raises Failed with exit code 2 where one of them is no `kind`."""
    if unknown := sorted(set(wanted) - set(names)):
        there_are = ", ".join(sorted(names))
        raise Failed(f"There is no {kind} {', '.join(map(repr, unknown))}; there are {there_are}.", code=2)
