"""Live output in Redis: frames follow each other without a hole, each once, sealed."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
import redis
import redis.asyncio

from adapters.embedded.redis import Redis
from adapters.embedded.server import free_port
from adapters.mongo.commits.chunks import Chunks
from adapters.mongo.secrets.keyring import Keyring
from adapters.mongo.secrets.keys import DataKeys
from adapters.mongo.secrets.seals import MongoSeals
from adapters.redis.bus import QUEUE_BYTES, RedisBus
from adapters.redis.channels import output_of
from adapters.redis.live_output import RedisLiveOutput
from adapters.redis.notices import RedisNotices
from application.frames import decode_frames
from application.ports.live import FramesMissing, LiveUnavailable
from application.ports.sandbox import Output
from projections.projection import Notice
from tests.servers import Running, running

OWNER = uuid4()


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("redis")
    with running(Redis.create(folder, free_port()), folder) as started:
        yield started


@pytest.fixture
def client(server) -> redis.Redis:
    return redis.Redis.from_url(server.address)


@pytest.fixture
def seals(database) -> MongoSeals:
    return MongoSeals(DataKeys(database, Keyring(database, lambda: [b"k" * 32])), Chunks(database))


@pytest.fixture
def live(client, seals) -> RedisLiveOutput:
    return RedisLiveOutput(client, seals)


def frames(first: int, last: int) -> list[Output]:
    return [Output(number, 1, b"secret %d" % number) for number in range(first, last + 1)]


def stored(server, seals, run) -> list[Output]:
    async def read():
        pieces = await RedisBus(redis.asyncio.Redis.from_url(server.address)).frames(run, 0, 100)
        return [frame for piece in pieces for frame in decode_frames(seals.open(piece.content))]

    return asyncio.run(read())


def test_frames_are_there_in_order(live, server, seals):
    run = uuid4()
    assert live.last(run) == 0
    live.append(run, OWNER, frames(1, 3))
    live.append(run, OWNER, frames(4, 4))
    assert live.last(run) == 4
    assert stored(server, seals, run) == frames(1, 4)


def test_frames_that_are_there_already_are_dropped(live, server, seals):
    run = uuid4()
    live.append(run, OWNER, frames(1, 3))
    live.append(run, OWNER, frames(1, 3))
    live.append(run, OWNER, frames(2, 5))
    assert stored(server, seals, run) == frames(1, 5)


def test_frames_that_do_not_follow_are_refused(live):
    run = uuid4()
    live.append(run, OWNER, frames(1, 3))
    with pytest.raises(FramesMissing):
        live.append(run, OWNER, frames(5, 6))
    assert live.last(run) == 3


def test_nothing_lies_in_redis_in_the_open(live, client):
    run = uuid4()
    live.append(run, OWNER, frames(1, 1))
    assert b"secret" not in b"".join(value for _, entry in client.xrange(output_of(run)) for value in entry.values())


def test_stored_output_is_forgotten_after_a_while(live, client):
    run = uuid4()
    live.append(run, OWNER, frames(1, 1))
    assert client.ttl(output_of(run)) > 3600
    live.expire(run)
    assert 0 < client.ttl(output_of(run)) <= 60


@pytest.mark.parametrize("before", [[], [1, 2]])
def test_what_is_written_after_the_end_was_stored_goes_with_the_rest(live, client, before):
    run = uuid4()
    for number in before:
        live.append(run, OWNER, frames(number, number))
    live.expire(run)
    assert live.last(run) == len(before)
    late = len(before) + 1
    live.append(run, OWNER, frames(late, late))
    assert (live.last(run), 0 < client.ttl(output_of(run)) <= 60) == (late, True)


def test_a_redis_that_is_gone_is_told_as_such(seals):
    live = RedisLiveOutput(redis.Redis(port=9), seals)
    for call in (lambda: live.last(OWNER), lambda: live.append(OWNER, OWNER, frames(1, 1)), lambda: live.expire(OWNER)):
        with pytest.raises(LiveUnavailable):
            call()
    RedisNotices(redis.Redis(port=9)).publish([notice(uuid4())], [])  # a hint: no error


def notice(stream, version: int = 1) -> Notice:
    return Notice(version, 0, stream, version, "started", {"words": "Running"})


def heard(server, scene):
    """Run a scene with a bus that hears."""

    async def play():
        bus = RedisBus(redis.asyncio.Redis.from_url(server.address))
        hearing = asyncio.ensure_future(bus.run())
        try:
            async with asyncio.timeout(20):
                return await scene(bus)
        finally:
            hearing.cancel()

    return asyncio.run(play())


def test_whoever_has_subscribed_hears_everything_from_then_on(server, client, live):
    run = uuid4()

    async def scene(bus):
        async with bus.subscribe(run) as inbox:
            RedisNotices(client).publish([notice(uuid4()), notice(run)], [])
            live.append(run, OWNER, frames(1, 2))
            return [await inbox.get(), await inbox.get()]

    first, second = heard(server, scene)
    assert first == notice(run)
    assert (second.first, second.last) == (1, 2)


def test_an_idle_connection_loses_nothing(server, client):
    run = uuid4()

    async def scene(bus):
        async with bus.subscribe(run) as inbox:
            await asyncio.sleep(7)
            RedisNotices(client).publish([notice(run)], [])
            return await inbox.get()

    assert heard(server, scene) == notice(run)


def test_what_piles_up_for_a_listener_is_dropped_and_he_is_told_to_look_for_himself(server, live):
    run = uuid4()

    async def scene(bus):
        async with bus.subscribe(run) as inbox:
            for number in range(1, 2 * QUEUE_BYTES // 16_000):
                live.append(run, OWNER, [Output(number, 1, b"x" * 16_000)])
                await asyncio.sleep(0)
            await asyncio.sleep(0.5)
            return await inbox.get()

    assert heard(server, scene) is None


def test_after_redis_was_killed_the_bus_hears_again(server, live):
    run = uuid4()

    async def scene(bus):
        async with bus.subscribe(run) as inbox:
            server.kill()
            server.start()
            deadline = time.monotonic() + 15
            while time.monotonic() < deadline:
                await asyncio.sleep(0.2)
                live.append(run, OWNER, frames(live.last(run) + 1, live.last(run) + 1))
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.2):
                        return await inbox.get()
        return None

    assert heard(server, scene) is not None
