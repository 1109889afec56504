"""How far long work is, through Redis: the first and the last step of each work, and no more than people can see."""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
import redis

from adapters.embedded.redis import Redis
from adapters.embedded.server import free_port
from adapters.redis.channels import PROGRESS, decode_reached
from adapters.redis.hearing import hear
from adapters.redis.progress import RedisProgress
from application.progress import Reached
from tests.faults.processes import wait_until
from tests.servers import running


@pytest.fixture
def client(tmp_path: Path) -> Iterator[redis.Redis]:
    with running(Redis.create(tmp_path, free_port()), tmp_path) as server:
        yield redis.Redis.from_url(server.address)


@pytest.fixture
def told(client) -> Iterator[list[Reached]]:
    """Whatever is heard, from now on."""
    messages: list[Reached] = []
    closed, hears = Event(), Event()

    def take(message: bytes) -> None:
        messages.append(decode_reached(message))

    thread = Thread(target=hear, args=(client, PROGRESS, closed, take, "progress", hears))
    thread.start()
    assert hears.wait(5)
    yield messages
    closed.set()
    thread.join()


def test_the_first_and_the_last_step_of_each_work_are_told_and_few_in_between(client, told):
    progress = RedisProgress(client)
    for name in ("one", "two"):
        for upto in range(1, 5_001):
            progress.tell("rebuild", name, upto, 5_000)
    wait_until(lambda: Reached("rebuild", "two", 5_000, 5_000) in told, "the last step")
    for name in ("one", "two"):
        steps = [step.upto for step in told if step.name == name]
        assert steps[0] == 1
        assert steps[-1] == 5_000
        assert len(steps) < 50


def test_a_redis_that_is_gone_holds_up_no_work():
    progress = RedisProgress(redis.Redis(port=9))
    since = time.monotonic()
    for upto in range(1, 100_000):
        progress.tell("rebuild", "one", upto, 100_000)
    assert time.monotonic() - since < 30  # and one try to connect takes milliseconds
