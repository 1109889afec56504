"""A machine and an internet that are both this machine: two network namespaces, and a cable between them.

Addresses that everybody may reach are those of AS112 (RFC 7535), which belong to nobody and lead nowhere: nothing that
is sent here leaves the two namespaces.
"""

import ctypes
import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")

LIBC = ctypes.CDLL(None, use_errno=True)
NEW_NETWORK, NEW_MOUNTS = 0x40000000, 0x20000
PUBLIC, PUBLIC6 = "192.31.196.1", "2620:4f:8000::1"
"""Of the internet."""
OWN, OWN6 = "192.31.196.200", "2620:4f:8000::c8"
"""Of the machine itself, and public as well."""
PRIVATE = {"10.9.8.7": 24, "169.254.169.254": 32, "100.64.1.1": 24, "fd00::7": 64}
"""Addresses of the internet's side that no proxy may go to, though the way is open."""
NAMES = {
    "public.example": PUBLIC,
    "other.example": PUBLIC,
    "below.public.example": PUBLIC,
    "six.example": PUBLIC6,
    "private.example": "10.9.8.7",
    "loop.example": "127.0.0.1",
    "localhost": "127.0.0.1",
    "own.example": OWN,
}


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def enter_new(kinds: int) -> None:
    if LIBC.unshare(kinds) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def give(device: str, *addresses: str) -> None:
    for address in addresses:
        ip("address", "add", address, "dev", device, *(["nodad"] if ":" in address else []))
    ip("link", "set", device, "up")
    ip("link", "set", "lo", "up")


class Echo(BaseHTTPRequestHandler):
    """Says what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        asked = {"path": self.path, "host": self.headers["Host"], "content": content, "names": sorted(self.headers)}
        body = json.dumps(asked).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    request_queue_size = 256


class Room:
    """What `on_the_machine` does happens there, and so does all that it starts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads = ThreadPoolExecutor(1), ThreadPoolExecutor(1)

    def on_the_machine(self, do: Callable[..., T], *arguments: Any, **named: Any) -> T:
        return self._threads[0].submit(do, *arguments, **named).result()

    def on_the_internet(self, do: Callable[..., T], *arguments: Any, **named: Any) -> T:
        return self._threads[1].submit(do, *arguments, **named).result()

    def open(self) -> None:
        place = self.on_the_internet(self._make_internet)
        self.on_the_machine(self._make_machine, place)
        os.close(place)

    def close(self) -> None:
        for thread in self._threads:
            thread.shutdown()

    @contextmanager
    def server(self, port: int, where: str = "internet") -> Iterator[Server]:
        """At all addresses of one side."""
        make = self.on_the_internet if where == "internet" else self.on_the_machine
        server = make(Server, ("::", port), Echo)
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
            server.server_close()

    def _make_internet(self) -> int:
        enter_new(NEW_NETWORK)
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY)

    def _make_machine(self, internet: int) -> None:
        enter_new(NEW_NETWORK | NEW_MOUNTS)
        self._replace_names()
        ip("link", "add", "up0", "type", "veth", "peer", "name", "down0")
        ip("link", "set", "down0", "netns", f"/proc/{os.getpid()}/fd/{internet}")
        self.on_the_internet(give, "down0", f"{PUBLIC}/24", f"{PUBLIC6}/64", *(f"{a}/{n}" for a, n in PRIVATE.items()))
        give("up0", f"{OWN}/24", f"{OWN6}/64")
        ip("route", "add", "default", "via", PUBLIC)
        ip("-6", "route", "add", "default", "via", PUBLIC6)

    def _replace_names(self) -> None:
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        lines = [f"{address} {name}" for name, address in NAMES.items()]
        mixed = [f"{address} mixed.example" for address in ("10.9.8.7", PUBLIC)]
        self._replace("/etc/hosts", "\n".join([*lines, *mixed, ""]))
        self._replace("/etc/resolv.conf", "nameserver 127.0.0.1\n")

    def _replace(self, file: str, content: str) -> None:
        ours = self._folder / Path(file).name
        ours.write_text(content)
        subprocess.run(["mount", "--bind", ours, file], check=True)
