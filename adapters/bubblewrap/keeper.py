"""The keeper processes, from outside: start one, ask one, tidy up after a dead one."""

import fcntl
import os
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from adapters.supervisor.build import KEEPER
from adapters.supervisor.records import ALL_INPUT, HEAD, KIND_END, read_frames
from application.ports.sandbox import Frame, NoCapacity, SandboxNotFound, SandboxUnavailable

REQUEST = struct.Struct("<QQQ")
WATCH, STOP, FEED, FEED_LAST = 1, 2, 3, 4
NO_CAPACITY = 3
ANSWER_SECONDS = 5.0
"""Far more than a stop takes; after it the keeper counts as stuck."""


def run(options: Sequence[str], bwrap: Sequence[str], job: bytes) -> None:
    """Start a keeper; it outlives this process. Raises NoCapacity, or SandboxUnavailable with what it says."""
    with _in_memory(job) as stdin:
        started = subprocess.run(
            [KEEPER, "run", *options, "--", *bwrap],
            stdin=stdin,
            stderr=subprocess.PIPE,
            env={},
            check=False,
            text=True,
        )
    if started.returncode == NO_CAPACITY:
        raise NoCapacity
    if started.returncode != 0:
        raise SandboxUnavailable(started.stderr.strip() or f"the keeper ended with {started.returncode}")


@contextmanager
def _in_memory(content: bytes) -> Iterator[int]:
    """A file that never touches a disk: scripts are private."""
    fd = os.memfd_create("job", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(fd), "wb") as file:
            file.write(content)
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


def live_frames(folder: Path, after: int) -> Iterator[Frame]:
    """Frames as the keeper gives them; ends early, even empty, when it has ended or dies."""
    try:
        with _ask(folder, WATCH, after) as connection, connection.makefile("rb") as stream:
            yield from read_frames(stream.read)
    except (ConnectionError, FileNotFoundError):
        return


def stop(folder: Path) -> None:
    """Returns when nothing of the run is left; at once when its keeper has ended. Raises TimeoutError."""
    try:
        with _ask(folder, STOP) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.recv(1)
    except (ConnectionError, FileNotFoundError):
        return


def feed(folder: Path, offset: int, data: bytes, is_last: bool) -> int:
    """How much input the keeper has then: ALL_INPUT where it wants no more, or has ended. Raises TimeoutError."""
    try:
        with _ask(folder, FEED_LAST if is_last else FEED, offset, len(data)) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.sendall(data)
            answer = connection.recv(8)
    except (ConnectionError, FileNotFoundError):
        return ALL_INPUT
    return int.from_bytes(answer, "little") if answer else ALL_INPUT


@contextmanager
def _ask(folder: Path, question: int, after: int = 0, size: int = 0) -> Iterator[socket.socket]:
    """Through a descriptor of the folder: a socket's path has room for 107 bytes only."""
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        connection = socket.socket(socket.AF_UNIX)
        with connection:
            connection.connect(f"/proc/self/fd/{place}/socket")
            connection.sendall(REQUEST.pack(question, after, size))
            yield connection
    finally:
        os.close(place)


def has_ended(folder: Path) -> bool:
    """The END stands in the spool: nothing of the run is left. Raises SandboxNotFound."""
    with _spool(folder) as spool:
        while len(head := spool.read(HEAD.size)) == HEAD.size:
            size, kind, _, _ = HEAD.unpack(head)
            if kind == KIND_END:
                return True
            spool.seek(size, os.SEEK_CUR)
    return False


def is_alive(folder: Path) -> bool:
    """A keeper holds its lock as long as it lives."""
    return is_held(folder / "lock")


def is_held(lock: Path) -> bool:
    """Some process has this lock file. Looking takes a shared lock for a moment, which other lookers do not notice."""
    try:
        file = lock.open("rb")
    except FileNotFoundError:
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def settle(folder: Path) -> None:
    """Where the keeper is dead: kill what is left, remove its cgroup, write the missing end. Else wait for its end."""
    settled = subprocess.run([KEEPER, "settle", folder], stderr=subprocess.PIPE, check=False, text=True)
    if settled.returncode != 0 and not folder.exists():
        raise SandboxNotFound(folder.name)


def settled_frames(folder: Path) -> Iterator[Frame]:
    """All frames, after making sure that there is an end."""
    settle(folder)
    yield from spooled_frames(folder)


def spooled_frames(folder: Path) -> Iterator[Frame]:
    """All whole frames written so far. Raises SandboxNotFound."""
    with _spool(folder) as spool:
        yield from read_frames(spool.read)


def _spool(folder: Path) -> BinaryIO:
    try:
        return (folder / "spool").open("rb")
    except FileNotFoundError:
        raise SandboxNotFound(folder.name) from None
