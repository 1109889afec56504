"""What must hold after every fault: compares what clients were told with the log and everything made from it."""

from collections.abc import Iterable

from adapters.mongo.read_models import collection_name
from application.ports import Recorded
from domain.execution import Execution
from ops.cli.access import workers
from ops.containers.workers import Workers
from ops.settings import load
from projections.engine import coalesce
from projections.registry import READ_MODELS
from tests.system import System


def container_of(system: System) -> Workers:
    """The parts of this test's own process, on the running system."""
    return workers(load({"RUNLEDGER_DATA": str(system.data)}))


def whole_log(container: Workers) -> list[Recorded]:
    events: list[Recorded] = []
    while page := container.log().read(events[-1].position if events else 0, 5_000):
        events += page
    return events


def check_log(container: Workers) -> None:
    """Positions without a hole, versions without a gap, and everything else that `events verify` looks at."""
    assert list(container.ledger().verify()) == []


def check_runs(events: list[Recorded], acknowledged: Iterable[str]) -> None:
    """Every acknowledged run is there, and every run has ended exactly once."""
    ends: dict[str, int] = {}
    for event in events:
        if isinstance(event.data, Execution.Requested):
            ends[str(event.stream)] = 0
        if isinstance(event.data, Execution.Finished):
            ends[str(event.stream)] += 1
    assert set(acknowledged) <= set(ends), "an acknowledged run is missing"
    assert {run: count for run, count in ends.items() if count != 1} == {}


def check_read_models(container: Workers, events: list[Recorded]) -> None:
    """Every document is what a fold of the whole log makes of it, and there is no other."""
    for projection in READ_MODELS:
        generation = container.read_models().generation(projection.name)
        stored = container.database()[collection_name(projection.name, generation)].find()
        found = {document["_id"]: _own_fields(document) for document in stored}
        expected = {id: _in_milliseconds(fields) for id, fields in coalesce(projection, events).items()}
        assert found == expected, projection.name


def check_nothing_left(system: System, container: Workers) -> None:
    """No sandbox, no task."""
    assert container.sandbox().list() == []
    assert container.executor_tasks().pending() == []
    assert container.monitor_tasks().pending() == []


def _own_fields(document: dict) -> dict:
    return {name: value for name, value in document.items() if name not in {"_id", "lane"}}


def _in_milliseconds(fields: dict) -> dict:
    """As Mongo keeps times, and lists for tuples."""
    return {
        name: value.replace(microsecond=value.microsecond // 1000 * 1000) if name.endswith("_at") else value
        for name, value in fields.items()
    }
