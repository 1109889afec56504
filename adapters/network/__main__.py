"""`python -m adapters.network HOSTS UID`: the proxy of one run, started by its keeper.

Its standard input is a socket to the run's supervisor, from which it gets the socket that listens inside, and whose end
is its own.
"""

import asyncio
import os
import resource
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

from adapters.network.hosts import parse
from adapters.network.proxy import serve

STDIN = 0
LOOK_UPS = 4
OPEN_FILES = 256
COMPLAINT_BYTES = 1024 * 1024


def main(hosts: str, uid: str) -> None:
    _confine(int(uid))
    supervisor = socket.socket(fileno=STDIN)
    _, descriptors, _, _ = socket.recv_fds(supervisor, 1, 1)
    if descriptors:
        asyncio.run(_run(supervisor, socket.socket(fileno=descriptors[0]), hosts))


def _confine(uid: int) -> None:
    """After the imports, which the run's user may not be able to read."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (COMPLAINT_BYTES, COMPLAINT_BYTES))
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


async def _run(supervisor: socket.socket, listener: socket.socket, hosts: str) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(LOOK_UPS))
    loop.add_reader(supervisor, os._exit, 0)
    listener.setblocking(False)
    await serve(listener, parse(hosts))


if __name__ == "__main__":
    main(*sys.argv[1:])
