"""SecantusDB, the embedded Mongo: a separate program (GPL-2.0), started as a process and never imported."""

import struct
import sys
from pathlib import Path

import msgspec

from adapters.embedded.server import LOOPBACK, ProgramMissing, exchange

OPTIONS = Path(__file__).with_name("secantusd.toml")
OP_MSG = 2013
REPLY_HEADER = struct.Struct("<iiii")


class Secantus(msgspec.Struct, frozen=True):
    """The server with its WiredTiger files in `folder`, listening on a port of loopback."""

    folder: Path
    port: int
    name: str = "mongo"

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


def ping() -> bytes:
    """The command `ping` as an OP_MSG of Mongo's wire protocol."""
    body = b"\x10ping\0" + struct.pack("<i", 1) + b"\x02$db\0" + struct.pack("<i", 6) + b"admin\0"
    document = struct.pack("<i", len(body) + 5) + body + b"\0"
    section = struct.pack("<i", 0) + b"\0" + document
    return REPLY_HEADER.pack(REPLY_HEADER.size + len(section), 1, 0, OP_MSG) + section
