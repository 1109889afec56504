"""SecantusDB, the embedded Mongo: a separate program (GPL-2.0), started as a process and never imported."""

import fcntl
import socket
import struct
import sys
from pathlib import Path

import msgspec

from adapters.embedded.server import ANSWER_SECONDS, LOOPBACK, ProgramMissing, exchange, read

ROOTS = ("WiredTiger", "WiredTiger.turtle", "WiredTiger.wt")
"""The files that name all others of a store, made before any of them."""
OPTIONS = Path(__file__).with_name("secantusd.toml")
OP_MSG = 2013
REPLY_HEADER = struct.Struct("<iiii")


class Secantus(msgspec.Struct, frozen=True):
    """The server with its WiredTiger files in `folder`, listening on a port of loopback."""

    folder: Path
    port: int
    name: str = "mongo"

    def missing_root(self) -> str | None:
        """A file without which the server would not find its own store, and might begin an empty one in its place."""
        was_made = any(self.folder.glob("secantus_*.wt"))
        return next((name for name in ROOTS if was_made and not (self.folder / name).exists()), None)

    def command(self) -> list[str]:
        program = Path(sys.executable).with_name("secantusd-py")
        if not program.exists():
            raise ProgramMissing("SecantusDB")
        place = ["--host", LOOPBACK, "--port", str(self.port), "--storage-path", str(self.folder)]
        return [str(program), "--config", str(OPTIONS), *place]

    def address(self) -> str:
        """The URL. Retryable writes are off because they get slower with each write on this server."""
        return f"mongodb://{LOOPBACK}:{self.port}/?directConnection=true&retryWrites=false"

    def answers(self) -> bool:
        reply = exchange(self.port, ping(), REPLY_HEADER.size)
        return len(reply) == REPLY_HEADER.size and REPLY_HEADER.unpack(reply)[3] == OP_MSG

    def is_open_elsewhere(self) -> bool:
        """Whether a process has the store open: WiredTiger then holds its lock file."""
        try:
            with (self.folder / "WiredTiger.lock").open("rb+") as lock:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def is_broken(self) -> bool:
        """Whether it says that it cannot read its own files: after a full disk it runs on, and fails until it is ended.

        False while it says nothing at all: it may be busy, or gone.
        """
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=ANSWER_SECONDS) as connection:
                connection.sendall(message(text("find", "store"), number("limit", 1)))
                length = REPLY_HEADER.unpack(read(connection, REPLY_HEADER.size))[0]
                return FAILED in read(connection, length - REPLY_HEADER.size)
        except (OSError, struct.error):
            return False


def ping() -> bytes:
    return message(number("ping", 1))


# Mongo's wire protocol (OP_MSG) and BSON, as far as it is needed here -------------------------------------------


FAILED = b"\x01ok\0" + struct.pack("<d", 0.0)


def message(*fields: bytes) -> bytes:
    """A command on the database `admin`; its first field names it."""
    body = b"".join(fields) + text("$db", "admin")
    document = struct.pack("<i", len(body) + 5) + body + b"\0"
    section = struct.pack("<i", 0) + b"\0" + document
    return REPLY_HEADER.pack(REPLY_HEADER.size + len(section), 1, 0, OP_MSG) + section


def number(name: str, value: int) -> bytes:
    return b"\x10" + name.encode() + b"\0" + struct.pack("<i", value)


def text(name: str, value: str) -> bytes:
    encoded = value.encode() + b"\0"
    return b"\x02" + name.encode() + b"\0" + struct.pack("<i", len(encoded)) + encoded
