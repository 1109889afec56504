"""What journeys share: somebody logged in, and a stream's messages."""

import base64
import json
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from tests.system import System


class Message(NamedTuple):
    event: str
    data: Any
    id: str


@pytest.fixture
def api(running_system: System) -> Iterator[httpx.Client]:
    client = running_system.log_in()
    yield client
    client.close()


def execute(api: httpx.Client, script: str, language: str = "python", **fields: Any) -> str:
    """Accepted; returns the id."""
    answer = api.post("/execute", json={"language": language, "script": script, **fields})
    assert answer.status_code == 202, answer.text
    return answer.json()["execution_id"]


def follow(api: httpx.Client, execution: str, last_id: str = "") -> Iterator[Message]:
    """The messages of a run's live stream, as they come."""
    return messages_of(api, f"executions/{execution}", last_id)


def messages_of(api: httpx.Client, name: str, last_id: str = "") -> Generator[Message, None, None]:
    """A live stream's messages, as they come; those without an event bring an id."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    with api.stream("GET", f"/events/{name}", headers=headers, timeout=60) as stream:
        assert stream.status_code == 200
        fields: dict[str, str] = {}
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            if line and name:
                fields[name] = value
            elif not line and fields:
                yield Message(fields.get("event", ""), json.loads(fields.get("data", "null")), fields.get("id", ""))
                fields = {}


def frames_of(messages: list[Message]) -> list[tuple[int, int, bytes]]:
    """All frames, in the order they came."""
    return [
        (number, stream, base64.b64decode(data))
        for message in messages
        if message.event == "output"
        for number, stream, data in message.data["frames"]
    ]


def output_of(messages: list[Message], stream: int = 1) -> bytes:
    return b"".join(data for _, written_to, data in frames_of(messages) if written_to == stream)


def result_of(api: httpx.Client, execution: str) -> dict[str, Any]:
    """Follow a run to its end; the result as it was stored."""
    *_, last = follow(api, execution)
    assert last.event == "result_stored"
    return last.data
