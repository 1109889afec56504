"""What a relay tells of itself arrives at a collector, and is true."""

import json
import re
from pathlib import Path

import pytest

from adapters.kafka.progress import progress
from adapters.telemetry.dead_letters import DeadLetterMetrics
from adapters.telemetry.metrics import start_metrics
from tests.collector import collecting
from tests.contracts.feed import save_users
from tests.contracts.mirroring import Relaying, mirrored
from tests.faults.processes import wait_until

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
ROW = re.compile(r"^\| `(runledger_\w+)` \| (\w+) \| `([^`]+)` \|", re.MULTILINE)


@pytest.fixture
def collector_and_provider(tmp_path):
    with collecting() as (collector, endpoint):
        provider = start_metrics("relay", endpoint, tmp_path)
        yield collector, provider
        provider.shutdown()


@pytest.fixture
def collector(collector_and_provider):
    return collector_and_provider[0]


@pytest.fixture
def provider(collector_and_provider):
    return collector_and_provider[1]


@pytest.fixture
def told(collector, provider):
    """A figure as it is now."""

    def ask(name, *error):
        provider.force_flush()
        return collector.value(f"runledger_relay_{name}", *error)

    return ask


@pytest.fixture
def meter(provider):
    return provider.get_meter("runledger.relay")


def test_what_was_copied_is_counted(log, database, broker, meter, told):
    with Relaying(database, broker, meter=meter):
        save_users(log, 10)
        records = mirrored(broker, 20)
        wait_until(lambda: told("position") == 20, "the relay at the log's end")
        assert told("events") == 20
        assert told("bytes") == sum(len(record.value()) for record in records)
        assert 1 <= told("batches") <= 20
        assert (told("active"), told("backlog"), told("seconds_behind")) == (1, 0, 0)
        save_users(log, 1)
        wait_until(lambda: told("events") == 22, "the new events")


def test_how_far_it_is_behind_and_why_is_told_while_kafka_is_away(log, database, broker, meter, told):
    with Relaying(database, broker, meter=meter):
        save_users(log, 1)
        wait_until(lambda: told("position") == 2, "the relay at the log's end")
        broker.kill()
        save_users(log, 5)
        wait_until(lambda: told("failures", "DeliveryFailed"), "a failed try")
        assert (told("position"), told("backlog"), told("events")) == (2, 10, 2)
        since = told("seconds_behind")
        assert 4 < since < told("seconds_behind")
        broker.start()
        wait_until(lambda: (told("position"), told("backlog"), told("seconds_behind")) == (12, 0, 0), "the rest")


def test_a_relay_that_waits_for_its_turn_tells_that_and_no_position(log, database, broker, meter, told):
    with Relaying(database, broker):
        save_users(log, 1)
        wait_until(lambda: progress(database).position == 2, "the other relay")
        with Relaying(database, broker, meter=meter):
            wait_until(lambda: told("active") == 0, "the waiting relay")
            assert [told(name) for name in ("position", "backlog", "seconds_behind")] == [None, None, None]


def test_every_metric_is_described_and_every_described_one_is_recorded(log, database, broker, meter, told, collector):
    DeadLetterMetrics(meter).tell({"people": 1})
    with Relaying(database, broker, meter=meter):
        save_users(log, 1)
        wait_until(lambda: told("position") == 2, "the relay at the log's end")
        broker.kill()
        save_users(log, 1)
        wait_until(lambda: told("failures", "DeliveryFailed"), "a failed try")
    described = {name: (kind, unit) for name, kind, unit in ROW.findall(REFERENCE.read_text())}
    assert collector.metrics == described
    assert collector.services == {"runledger-relay"}


def test_without_a_collector_they_go_to_a_file_of_limited_size(log, database, broker, tmp_path, monkeypatch):
    provider = start_metrics("relay", "", tmp_path / "metrics")
    with Relaying(database, broker, meter=provider.get_meter("runledger.relay")):
        save_users(log, 1)
        mirrored(broker, 2)
        provider.force_flush()
    monkeypatch.setattr("adapters.telemetry.lines.FILE_BYTES", 10)
    provider.shutdown()
    (line,) = (tmp_path / "metrics" / "relay.old.jsonl").read_text().splitlines()
    assert point(json.loads(line), "runledger_relay_events") == 2
    (line,) = (tmp_path / "metrics" / "relay.jsonl").read_text().splitlines()
    assert point(json.loads(line), "runledger_relay_active") == 0


def point(exported, name):
    (value,) = [
        point["value"]
        for scope in exported["resource_metrics"][0]["scope_metrics"]
        for metric in scope["metrics"]
        if metric["name"] == name
        for point in metric["data"]["data_points"]
    ]
    return value
