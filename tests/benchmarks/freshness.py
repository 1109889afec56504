"""How soon read models show what was appended, through the workers as the product runs them."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import uuid4

from api.backend import Backend
from api.runs import status_of
from domain.execution import Execution
from ops.containers.api import Api
from ops.loading import load
from ops.store import prepare_store
from tests.benchmarks.event_log.servers import Servers, servers
from tests.benchmarks.read_models import CONTEXT, new_run
from tests.benchmarks.report import Row, p50_p99
from tests.servers import Running

CLI = Path(sys.executable).parent / "runledger"
WARM_UP, SINGLE = 20, 200
PAUSE_SECONDS = 0.05
RATE, LOADED_SECONDS = 200, 10
PATIENCE_SECONDS = 30.0
"""How long a worker may take to start."""
STATUS = "execution_status"


def table() -> list[Row]:
    with servers() as running:
        variables = variables_of(running, running.broker())
        container = Api(settings=load(variables))
        prepare_store(container)
        with worker(variables):
            rows = asyncio.run(measured(container))
        container.journal().close()
    return rows


def variables_of(running: Servers, broker: Running) -> dict[str, str]:
    data = running.folder / "data"
    data.mkdir()
    return {
        "RUNLEDGER_DATA": str(data),
        "RUNLEDGER_MONGO_URL": running.mongo,
        "RUNLEDGER_REDIS_URL": running.redis,
        "RUNLEDGER_KAFKA_SERVERS": broker.address,
    }


@contextmanager
def worker(variables: dict[str, str]) -> Iterator[None]:
    """The relay and the projections; no executor, for whom nothing here is a task."""
    process = subprocess.Popen([CLI, "worker", "relay,projections"], env=variables)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


async def measured(container: Api) -> list[Row]:
    async with listening(container.backend()) as backend:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await committed(backend)
        for _ in range(WARM_UP):
            await committed(backend)
        return [
            Row("appended -> read model committed", p50_p99(await one_by_one(backend)), aim="p50 12 ms, p99 50 ms"),
            Row(f"the same at {RATE} events/s", p50_p99(await at_rate(backend)), aim="p50 12 ms, p99 50 ms"),
            Row("appended -> waiting query answered", p50_p99(await answers(backend)), aim="p50 20 ms"),
        ]


@asynccontextmanager
async def listening(backend: Backend) -> AsyncIterator[Backend]:
    bus = asyncio.create_task(backend.bus.run())
    yield backend
    bus.cancel()


async def one_by_one(backend: Backend) -> list[float]:
    return [await after_a_pause(committed(backend)) for _ in range(SINGLE)]


async def at_rate(backend: Backend) -> list[float]:
    """Each at its time, however long the ones before take."""
    begun = time.perf_counter()
    under_way = []
    for number in range(RATE * LOADED_SECONDS):
        await asyncio.sleep(begun + number / RATE - time.perf_counter())
        under_way.append(asyncio.create_task(committed(backend)))
    return await asyncio.gather(*under_way)


async def answers(backend: Backend) -> list[float]:
    return [await after_a_pause(answered(backend)) for _ in range(SINGLE)]


async def after_a_pause(one: Awaitable[float]) -> float:
    await asyncio.sleep(PAUSE_SECONDS)
    return await one


async def committed(backend: Backend) -> float:
    """Milliseconds from the append to the notice of the transaction, as it comes over Redis."""
    position, since, _ = await appended(backend)
    lane = backend.log.lane_at(position)  # its own, so it is not asked for
    await backend.bus.moved(STATUS, 1, lane, position)
    return (time.perf_counter() - since) * 1000


async def answered(backend: Backend) -> float:
    """Milliseconds from the append to the run, as the API finds it for whoever waits for that position."""
    position, since, run = await appended(backend)
    found = await status_of(backend, run.id, position, position)
    assert found.position == position
    return (time.perf_counter() - since) * 1000


async def appended(backend: Backend) -> tuple[int, float, Execution]:
    """The position, and when it was known."""
    run = new_run(uuid4())
    position = await backend.cross(backend.log.save, CONTEXT, run)
    return position, time.perf_counter(), run
