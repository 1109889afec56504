"""The whole system tells its figures and spans to a collector, or to files."""

from contextlib import closing

from tests.collector import collecting
from tests.faults.processes import wait_until
from tests.journeys.conftest import execute, result_of
from tests.system import configured, running_on


def test_a_collector_is_told_what_the_relay_did_and_what_was_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "500")
    with collecting() as (collector, endpoint):
        data = configured(tmp_path / "data", otlp_endpoint=endpoint)
        with running_on(data) as system, closing(system.log_in()) as api:
            position = result_of(api, execute(api, "print(6 * 7)"))["position"]
            wait_until(lambda: (collector.value("runledger_relay_events") or 0) >= position, "the run's events")
            assert collector.services == {"runledger-worker"}
            assert collector.value("runledger_relay_active") == 1
    assert "runledger-api" in collector.traced
    assert [folder for folder in ("metrics", "traces") if (tmp_path / "data" / folder).exists()] == []


def test_without_one_they_are_in_the_data_folder(tmp_path):
    with running_on(tmp_path / "data") as system:
        with closing(system.log_in()) as api:
            result_of(api, execute(api, "print(1)"))  # the workers are there
        system.stop()
    assert "runledger_relay_events" in (tmp_path / "data" / "metrics" / "worker.jsonl").read_text()
