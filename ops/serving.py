"""The API under Hypercorn."""

import asyncio
import signal

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config

from api.app import create_app
from ops.containers.api import Api

SHUTDOWN_SECONDS = 2.0


def serve(container: Api, port: int) -> None:
    """Serve on loopback until SIGTERM or SIGINT; live streams are told to come back."""
    asyncio.run(_serve(container, port))
    container.journal().close()


async def _serve(container: Api, port: int) -> None:
    app = create_app(container.backend())
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    async def asked_to_stop() -> None:
        await stop.wait()
        app.extensions["live_streams"].close()

    await hypercorn_serve(app, _config(port), shutdown_trigger=asked_to_stop)


def _config(port: int) -> Config:
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.graceful_timeout = SHUTDOWN_SECONDS
    config.shutdown_timeout = SHUTDOWN_SECONDS
    config.include_server_header = False
    config.errorlog = "-"
    return config
