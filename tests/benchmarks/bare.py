"""The limits: what the machine does without us."""

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx

from adapters.bubblewrap.command import bwrap_command
from adapters.embedded.server import free_port
from domain.execution import Limits

HELLO = "print(6 * 7)"
BWRAP = [
    "bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv",
    "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib",
    "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
    "/usr/bin/python3", "-c", HELLO,
]  # fmt: skip


def bare_run(command: Sequence[str] = BWRAP) -> float:
    """One script in bubblewrap without anything around it. Returns milliseconds."""
    since = time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout == b"42\n"
    return (time.perf_counter() - since) * 1000


def as_in_our_sandbox(python: Path) -> list[str]:
    """The line that our sandbox gives bwrap, with the interpreter where it has the supervisor."""
    bwrap = shutil.which("bwrap")
    assert bwrap
    *line, _ = bwrap_command(bwrap, Limits(), None)
    return [*line, str(python), "-c", HELLO]


def bare_runs_per_second(count: int, at_a_time: int) -> float:
    since = time.perf_counter()
    with ThreadPoolExecutor(at_a_time) as pool:
        list(pool.map(lambda _: bare_run(), range(count)))
    return count / (time.perf_counter() - since)


@contextmanager
def bare_route(mongo_url: str) -> Iterator[httpx.Client]:
    """A Quart app under Hypercorn whose one route writes one document with Motor, journaled and by majority."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.bare", mongo_url, str(port)])
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}")
    try:
        for _ in range(200):
            try:
                client.post("/document", json={})
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait()


async def serve(mongo_url: str, port: int) -> None:
    from hypercorn.asyncio import serve as hypercorn_serve  # noqa: PLC0415 - only in the process that serves
    from hypercorn.config import Config  # noqa: PLC0415
    from motor.motor_asyncio import AsyncIOMotorClient  # noqa: PLC0415
    from pymongo.write_concern import WriteConcern  # noqa: PLC0415
    from quart import Quart, request  # noqa: PLC0415

    app = Quart(__name__)
    client = AsyncIOMotorClient(mongo_url)
    documents = client["bench"].get_collection("documents", write_concern=WriteConcern("majority", j=True))

    @app.post("/document")
    async def write() -> tuple[dict[str, str], int]:
        document = {"_id": str(uuid4()), "body": await request.get_json()}
        await documents.insert_one(document)
        return {"id": document["_id"]}, 202

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.loglevel = "WARNING"
    await hypercorn_serve(app, config)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
