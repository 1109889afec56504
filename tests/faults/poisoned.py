"""A worker `projections` whose code has a mistake: it cannot fold the request of a run in Bash into the history.

python -m tests.faults.poisoned DATA
"""

import sys
from collections.abc import Iterator

import msgspec

from application.ports.log import Recorded
from domain.execution import Execution
from ops.cli.access import workers
from ops.loading import load
from ops.workers import FOLDED_BY, run_workers
from projections import execution_history
from projections.projection import Step
from projections.registry import READ_MODELS


class MistakeError(Exception):
    """Somebody has made one."""


def fold(event: Recorded) -> Iterator[Step]:
    match event.data:
        case Execution.Requested(language="bash"):
            raise MistakeError
    yield from execution_history.fold(event)


def main(data: str) -> None:
    mistaken = msgspec.structs.replace(execution_history.PROJECTION, fold=fold)
    FOLDED_BY["projections"] = tuple(mistaken if one.name == mistaken.name else one for one in READ_MODELS)
    run_workers(["projections"], workers(load({"RUNLEDGER_DATA": data})))


if __name__ == "__main__":
    main(*sys.argv[1:])
