"""Kafka is filled again from the command line."""

import json
import os
import signal

from ops.cli.access import core
from ops.loading import load
from tests.contracts.feed import save_users
from tests.faults.brokers import Mirrored, records_at
from tests.faults.processes import wait_until
from tests.journeys.conftest import execute, result_of
from tests.journeys.test_cli_events import events
from tests.system import System


def test_mirror_fills_a_wiped_kafka_from_the_log(running_system, api):
    result_of(api, execute(api, "print(6 * 7)"))
    running_system.events()
    wait_until(lambda: is_idle(running_system), "all in Kafka, so that nothing follows")
    before = relay(running_system)["position"]
    wipe(running_system)
    assert records(running_system) == {}
    mirrored = events(running_system, "mirror")
    listed = events(running_system, "list", "--limit", 10_000)
    assert mirrored["first"] == 1
    assert mirrored["is_done"]
    assert mirrored["last"] >= before
    assert list(records(running_system)) == list(range(1, mirrored["last"] + 1))
    assert list(records(running_system).values()) == [event["id"] for event in listed][: mirrored["last"]]
    assert is_idle(running_system)


def test_mirror_need_not_wait_and_begins_where_it_is_told(running_system, api):
    result_of(api, execute(api, "print(6 * 7)"))
    wipe(running_system)
    asked = running_system.cli("events", "mirror", "--from", 3, "--detach")
    assert b"The relay is asked to send events 3 to " in asked.stdout
    wait_until(lambda: list(records(running_system))[:1] == [3], "the records that were asked for")
    wait_until(lambda: is_idle(running_system), "the relay at the log's end")


def test_mirror_says_when_nobody_is_there_to_do_it(running_system, tmp_path):
    elsewhere = {"RUNLEDGER_MONGO_DATABASE": "without_a_relay"}
    container = core(load(running_system.environment | elsewhere))
    save_users(container.log(), 1)
    done = running_system.cli("events", "mirror", more=elsewhere)
    assert done.returncode == 1
    assert done.stderr == b"No relay is active. Start one: `runledger up`, or `runledger worker relay`.\n"
    container.journal().close()


def relay(system: System) -> dict:
    return json.loads(system.cli("status", "--json").stdout)["relay"]


def is_idle(system: System) -> bool:
    found = relay(system)
    return (found["lag"], found["seconds_behind"], found["refill"], found["trouble"]) == (0, 0, None, "")


def wipe(system: System) -> None:
    """Kill the embedded Kafka, which keeps everything in memory; it is started again."""
    before = system.running.kafka_servers
    os.kill(system.running.processes["kafka"], signal.SIGKILL)
    wait_until(lambda: system.running.kafka_servers != before, "another broker")


def records(system: System) -> dict[int, str]:
    """The ids of the events in Kafka by their positions, sorted."""
    return {one.place.position: one.event for one in sorted(records_at(system.running.kafka_servers), key=position)}


def position(record: Mirrored) -> int:
    return record.place.position
