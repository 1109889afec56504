"""What must hold after every fault: compares what clients were told with the log and everything made from it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pymongo.collection import Collection
from pymongo.database import Database

from adapters.mongo.read_models.generations import collection_name
from application.pools import Pools
from application.ports.log import EventLog, Recorded
from domain.execution import Execution
from ops.cli.access import workers
from ops.containers.workers import Workers
from ops.loading import load
from projections.changes import coalesce
from projections.registry import READ_MODELS
from tests.faults import history
from tests.faults.brokers import Mirrored
from tests.faults.folding import FOLDS, STATES
from tests.faults.history import Asked, Note, Outcome, Seen, Told
from tests.faults.processes import wait_until
from tests.system import System


def container_of(system: System) -> Workers:
    """The parts of this test's own process, on the running system."""
    return workers(load({"RUNLEDGER_DATA": str(system.data)}))


def read_all(log: EventLog) -> list[Recorded]:
    events: list[Recorded] = []
    while page := log.read(events[-1].position if events else 0, 5_000):
        events += page
    return events


# The log ------------------------------------------------------------------------------------------------------


def check_log(database: Database[dict[str, Any]]) -> None:
    """Positions 1..n without a hole, every stream's versions 1..m, a commit time that never falls."""
    commits = sorted(database.commits.find(), key=lambda commit: commit["_id"])
    position, versions = 0, defaultdict[UUID, int](int)
    for commit in commits:
        assert commit["_id"] == position + 1, f"a hole or an overlap behind position {position}"
        position += len(commit["e"])
        assert (commit["z"], commit["n"]) == (position, len(commit["e"])), f"commit {commit['_id']} tells its end wrong"
        for event in commit["e"]:
            versions[event["s"]] += 1
            assert event["v"] == versions[event["s"]], f"stream {event['s']} does not go on at {commit['_id']}"
    times = [commit["at"] for commit in commits]
    assert times == sorted(times), "the commit time falls"


def check_told(events: Sequence[Recorded], notes: Sequence[Note]) -> None:
    """Acknowledged commands are stored once where it was told, refused ones never, the others whole or not at all."""
    stored: dict[UUID, list[Recorded]] = defaultdict(list)
    for event in events:
        stored[event.correlation].append(event)
    answers = {note.command: note for note in notes if isinstance(note, Told)}
    asked = [note for note in notes if isinstance(note, Asked)]
    assert stored.keys() <= {command.command for command in asked}, "events that nobody asked for"
    for command in asked:
        _check_answer(command, answers.get(command.command), stored[command.command])


def _check_answer(asked: Asked, told: Told | None, stored: Sequence[Recorded]) -> None:
    positions = [event.position for event in stored]
    is_stored = bool(stored)
    if is_stored:
        found = tuple((event.stream, event.version) for event in stored)
        assert found == asked.events, f"torn, or stored twice: {asked} at {positions}"
        assert positions == list(range(positions[0], positions[0] + len(positions))), f"scattered: {asked}"
    if told is None or told.outcome is Outcome.UNKNOWN:
        return
    assert is_stored == (told.outcome is Outcome.STORED), f"{told}, but found at {positions}"
    assert not is_stored or positions[-1] == told.last, f"{told}, but found at {positions}"


def check_reader(events: Sequence[Recorded], notes: Sequence[Note]) -> None:
    """Whoever read while the log grew saw all of it, in order."""
    assert [note for note in notes if isinstance(note, Seen)] == history.seen(events)


# Kafka and what follows from it -------------------------------------------------------------------------------


def check_kafka(events: Sequence[Recorded], store: UUID, records: Sequence[Mirrored]) -> None:
    """Every event is there, each lane's first appearances in order, every record true to the log."""
    lanes: dict[int, list[int]] = {}
    for record in (record for record in records if record.place.store == store):
        _check_record(record, events)
        seen = lanes.setdefault(record.lane, [])
        if record.place.position not in seen:
            seen.append(record.place.position)
    assert lanes == _positions_by_lane(events), "missing in Kafka, or its first appearance is out of order"


def _check_record(record: Mirrored, events: Sequence[Recorded]) -> None:
    event = events[record.place.position - 1]
    expected = event.lane, str(event.stream), str(event.id), event.version
    assert (record.lane, record.key, record.event, record.version) == expected, f"not what the log holds: {record}"
    before = [other.position for other in events[: event.position - 1] if other.lane == event.lane]
    assert record.place.previous == max(before, default=0), f"not the position before it: {record}"


def _positions_by_lane(events: Sequence[Recorded]) -> dict[int, list[int]]:
    lanes: dict[int, list[int]] = defaultdict(list)
    for event in events:
        lanes[event.lane].append(event.position)
    return dict(lanes)


def check_folded(database: Database[dict[str, Any]], events: Sequence[Recorded]) -> None:
    """Consumers have folded each event once, into what a fold of the whole log makes."""
    folded = [document["position"] for document in _live(database, FOLDS.name).find()]
    assert sorted(folded) == [event.position for event in events], "an event was folded twice or missed"
    states = {document["_id"]: _own_fields(document) for document in _live(database, STATES.name).find()}
    expected = {id: change.document for id, change in coalesce(STATES, events).items()}
    assert states == expected, "a read model is not what a fold of the log makes"


def _live(database: Database[dict[str, Any]], projection: str) -> Collection[dict[str, Any]]:
    pointer = database.generations.find_one({"_id": projection})
    return database[collection_name(projection, pointer["generation"])]


# The whole system ---------------------------------------------------------------------------------------------


def check_ledger(container: Workers) -> None:
    """Everything that `events verify` looks at."""
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
        expected = {id: _as_mongo_keeps(change.document) for id, change in coalesce(projection, events).items()}
        assert found == expected, projection.name


def check_nothing_left(system: System, container: Workers) -> None:
    """No sandbox, no task, and within moments no place that is taken."""
    assert container.sandbox().list() == []
    wait_until(lambda: container.executor_tasks().pending() == [], "no task")
    assert container.open_runs().pending() == []
    wait_until(lambda: held(container.log()) == {}, "no place that is taken")


def held(log: EventLog) -> dict[UUID, UUID]:
    """The runs that have a place."""
    return Pools(log).current(datetime.now(UTC)).held


def _own_fields(document: dict) -> dict:
    return {name: value for name, value in document.items() if name not in {"_id", "lane"}}


def _as_mongo_keeps(value: Any) -> Any:
    """Times in milliseconds, lists for tuples."""
    match value:
        case datetime():
            return value.replace(microsecond=value.microsecond // 1000 * 1000)
        case tuple() | list():
            return [_as_mongo_keeps(one) for one in value]
        case dict():
            return {name: _as_mongo_keeps(one) for name, one in value.items()}
    return value
