"""Measuring several ways of doing the same, in turns: what disturbs one round disturbs all of them."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import TypeVar

T = TypeVar("T")

ROUNDS = 5

Figures = Mapping[str, Sequence[float]]
"""Of each way, its figure in each round."""


class Missing(Exception):
    """What a way needs is not on this machine."""


def in_turns(ways: Mapping[str, Callable[[], T]], rounds: int = ROUNDS) -> Mapping[str, Sequence[T]]:
    """What each way has measured in each round.

    Every round begins with another way, so that none always follows the same one.
    One round more, in which everything is made ready, does not count.
    """
    names = list(ways)
    turns = [names[first % len(names) :] + names[: first % len(names)] for first in range(rounds + 1)]
    measured = [{name: ways[name]() for name in turn} for turn in turns][1:]
    return {name: [one[name] for one in measured] for name in ways}


def ratio(figures: Figures, name: str, to: str) -> float:
    """The median of the rounds' ratios."""
    return median(ours / theirs for ours, theirs in zip(figures[name], figures[to], strict=True))
