"""The live streams of what is one's own, and of everything for admins."""

import json
import re
import socket
import time
from collections.abc import Iterator
from itertools import pairwise
from uuid import uuid4

import httpx
import pytest

from adapters.redis.channels import PROGRESS, encode
from application.progress import Reached
from tests.faults.checker import container_of
from tests.journeys.conftest import Message, execute, messages_of, result_of
from tests.system import System, running_on

FINAL = {"succeeded", "failed", "cancelled"}
ORDER = ["queued", "starting", "running", "succeeded"]


@pytest.fixture
def person(running_system: System) -> Iterator[httpx.Client]:
    """Somebody who has just registered."""
    with running_system.client() as client:
        client.post("/auth/register", json={"username": uuid4().hex, "password": "a long pass phrase"})
        yield client


def until_over(messages: Iterator[Message], runs: set[str]) -> list[Message]:
    """What comes until all these runs have ended."""
    seen: list[Message] = []
    for message in messages:
        seen.append(message)
        if message.event == "execution" and message.data["status"] in FINAL:
            runs = runs - {message.data["id"]}
        if not runs:
            break
    return seen


def states_of(messages: list[Message], run: str) -> list[str]:
    return [one.data["status"] for one in messages if one.event == "execution" and one.data["id"] == run]


# Of one's own -------------------------------------------------------------------------------------------------


def test_my_stream_says_where_it_begins_and_then_how_each_run_of_mine_goes_on(person):
    before = execute(person, "print(1)")
    result_of(person, before)
    messages = messages_of(person, "me")
    start = next(messages)
    assert (start.event, start.data["position"] > 0) == ("start", True)
    run = execute(person, "import time; time.sleep(0.5)")
    seen = until_over(messages, {run})
    assert states_of(seen, run) == ORDER
    assert states_of(seen, before) == []
    listed = person.get("/executions", params={"min_position": seen[-1].data["position"]}).json()["items"]
    assert [(item["id"], item["status"]) for item in listed[:1]] == [(run, "succeeded")]


def test_whoever_comes_back_with_the_last_id_lacks_nothing_and_hears_nothing_twice(person):
    messages = messages_of(person, "me")
    seen, runs = [next(messages)], set()
    while len(runs) < 8:
        runs.add(execute(person, "import time; time.sleep(0.2)"))
        seen.append(next(messages))
        messages.close()
        time.sleep(0.1 * (len(runs) % 3))
        messages = messages_of(person, "me", seen[-1].id)
    seen += until_over(messages, {run for run in runs if not FINAL & set(states_of(seen, run))})
    for run in runs:
        assert states_of(seen, run) == ORDER
    assert [message.event for message in seen].count("start") == 1


def test_a_stream_on_which_nothing_happens_brings_a_newer_id_now_and_then(person, api):
    messages = messages_of(person, "me")
    start = next(messages)
    result_of(api, execute(api, "print(1)"))
    idle = next(messages)
    assert (idle.event, idle.id != start.id) == ("", True)
    run = execute(person, "print(1)")
    assert states_of(until_over(messages_of(person, "me", idle.id), {run}), run)[-1] == "succeeded"


def test_an_id_that_cannot_be_served_is_answered_with_a_reset_and_a_new_beginning(person, api):
    start = next(messages_of(person, "me"))
    ahead = re.sub(r"\d+", lambda position: str(int(position[0]) + 1_000_000), start.id)
    for id in ("gibberish", "12.3", f"{start.id}-1", ahead, "1" * 30):
        for client, name in ((person, "me"), (api, "admin")):
            messages = messages_of(client, name, id)
            assert [next(messages).event, next(messages).event] == ["reset", "start"], id


def test_nobody_hears_of_what_is_somebody_elses(person, api):
    messages = messages_of(person, "me")
    start = next(messages)
    others = {execute(api, "print(1)") for _ in range(3)}
    for run in others:
        result_of(api, run)
    own = execute(person, "print(1)")
    for seen in (until_over(messages, {own}), until_over(messages_of(person, "me", start.id), {own})):
        assert {message.data["id"] for message in seen} == {own}


def test_my_stream_needs_somebody_and_that_of_admins_an_admin(running_system, person):
    with running_system.client() as stranger:
        assert stranger.get("/events/me").status_code == 401
        assert stranger.get("/events/admin").status_code == 401
    assert person.get("/events/admin").status_code == 403


def test_too_many_streams_are_refused_before_they_open(running_system, person):
    streams = [messages_of(person, "me") for _ in range(50)]
    for stream in streams:
        next(stream)
    assert person.get("/events/me").status_code == 429
    for stream in streams:
        stream.close()


# Of everything ------------------------------------------------------------------------------------------------


def test_an_admin_hears_every_event_once_also_after_coming_back(running_system, person, api):
    messages = messages_of(api, "admin")
    start = next(messages)
    runs = [execute(person, "print(1)") for _ in range(5)]
    seen = [next(one for one in messages if one.event == "event") for _ in range(4)]
    messages.close()
    for run in runs:
        result_of(person, run)
    head = max(event["position"] for event in entries(running_system))
    for message in messages_of(api, "admin", seen[-1].id):
        seen.append(message)
        if message.event == "event" and message.data["position"] == head:
            break
    told = sorted((one.data for one in seen if one.event == "event"), key=lambda event: event["position"])
    known = [event for event in entries(running_system) if start.data["position"] < event["position"] <= head]
    fields = ("position", "lane", "stream", "version", "type", "actor")
    assert [[one[name] for name in fields] for one in told] == [[one[name] for name in fields] for one in known]
    assert {"python", "succeeded"} <= {one["about"] for one in told}
    by_lane = sorted((message.data["lane"], index) for index, message in enumerate(seen) if message.event == "event")
    for (lane, one), (same, next_one) in pairwise(by_lane):
        assert lane != same or seen[one].data["position"] < seen[next_one].data["position"], "in order in each lane"


def entries(system: System) -> list[dict]:
    return json.loads(system.cli("events", "list", "--limit", "10000", "--json").stdout)


def test_the_progress_of_a_rebuild_arrives_and_ends_with_live(running_system, person, api):
    result_of(person, execute(person, "print(1)"))
    messages = messages_of(api, "admin")
    next(messages)
    assert api.post("/admin/projections/execution_history/rebuild", json={}).status_code == 202
    seen = []
    for message in messages:
        seen.append(message)
        if message.event == "event" and message.data["type"] == "ReadModel.Ended":
            break
    assert seen[-1].data["about"] == "live"
    asked = {message.data["type"]: message.data["about"] for message in seen if message.event == "event"}
    assert asked["ReadModel.RebuildRequested"] == "execution_history"
    steps = [message.data for message in seen if message.event == "progress"]
    assert {step["name"] for step in steps} == {"execution_history"}
    for kind in ("rebuild", "verify"):
        last = [step for step in steps if step["kind"] == kind][-1]
        assert last["upto"] == last["of"] > 0


def test_the_progress_of_a_replay_arrives_and_ends_with_all_of_it(running_system, api):
    wanted = {"target": {"kind": "file", "name": "told.jsonl"}, "selection": {"last": 3}}
    replay = api.post("/admin/replays", json=wanted).json()
    messages = messages_of(api, "admin")
    next(messages)
    assert api.post(f"/admin/replays/{replay['id']}/start").status_code == 202
    steps = []
    for message in messages:
        if message.event == "progress":
            steps.append(message.data)
        if message.event == "event" and message.data["type"] == "Replay.Completed":
            break
    assert {(step["kind"], step["name"], step["of"]) for step in steps} == {("replay", replay["id"], 3)}
    assert steps[-1]["upto"] == 3


def test_a_client_that_does_not_read_is_closed_and_holds_up_nobody(running_system, api):
    redis = container_of(running_system).redis()
    reads = messages_of(api, "admin")
    next(reads)
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.connect(("127.0.0.1", running_system.port))
        cookie = "; ".join(f"{name}={value}" for name, value in api.cookies.items())
        lazy.sendall(
            f"GET /api/v1/events/admin HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode(),
        )
        assert b"200" in lazy.recv(64)
        padding = "x" * 20_000
        for number in range(1, 601):
            redis.publish(PROGRESS, encode(Reached("test", padding, number, 600)))
            if number % 20 == 0:
                while next(reads).data.get("upto") != number:
                    pass
        lazy.settimeout(10)
        received = b""
        while piece := lazy.recv(1_000_000):
            received += piece
    assert received.count(b"event: progress") < 600


# The end ------------------------------------------------------------------------------------------------------


def test_at_a_shutdown_streams_say_that_they_close_and_hold_up_nothing(tmp_path):
    with running_on(tmp_path / "data") as system:
        client = system.log_in()
        streams = [messages_of(client, name) for name in ("me", "admin")]
        for stream in streams:
            next(stream)
        assert system.stop() < 8
        for stream in streams:
            assert [message.event for message in stream][-1] == "close"
