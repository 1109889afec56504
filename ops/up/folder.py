"""The data folder: made, held by one `up` at a time, and the file that says where the running system is."""

import fcntl
import os
import pwd
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from ops.up.refused import AlreadyRunning, DiskFull, FolderOfAnother, FolderUnusable

MIB = 1024 * 1024
NEEDED_BYTES = 200 * MIB
HOLD_TRIES = 5
HOLD_WAIT = 0.05


class Running(msgspec.Struct, frozen=True):
    """Where the running system is; `run.json` in the data folder, which only its owner reads."""

    pid: int
    """The supervisor's."""
    api_url: str
    mongo_url: str
    kafka_servers: str
    redis_url: str
    processes: dict[str, int]
    """Each child's name and its present process id."""


def running(data: Path) -> Running | None:
    """The system that runs on this data folder now; None when there is none."""
    return read(data) if is_held(data) else None


def kafka_servers(data: Path) -> str:
    """The broker's present address. The embedded one has another after each of its starts; empty when none is known."""
    found = read(data)
    return found.kafka_servers if found else ""


def read(data: Path) -> Running | None:
    try:
        return msgspec.json.decode((data / "run.json").read_bytes(), type=Running)
    except FileNotFoundError:
        return None


def is_held(data: Path) -> bool:
    """Whether a supervisor holds the folder. Asking takes a shared lock for an instant."""
    try:
        folder = os.open(data, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        return not try_lock(folder, fcntl.LOCK_SH)
    finally:
        os.close(folder)


def try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class DataFolder:
    """The folder as the supervisor holds it: a context in which no other `up` can start on it.

    The lock is on the folder itself, for a file in it can be removed; the file `lock` says who has it.
    """

    def __init__(self, path: Path, needed_bytes: int = NEEDED_BYTES) -> None:
        self.path = path
        self.needed_bytes = needed_bytes

    def __enter__(self) -> Self:
        """Raises Refused when the folder cannot be made, written to, or is held."""
        try:
            self.check_space()
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.check_owner()
            self.check_writable()
            self.lock = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise FolderUnusable(folder=self.path, why=error.strerror) from error
        self.hold()
        self.logs.mkdir(mode=0o700, exist_ok=True)
        self.forget()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if (left := read(self.path)) and left.pid == os.getpid():
            self.forget()
        os.close(self.lock)

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def check_space(self) -> None:
        there = next(folder for folder in (self.path, *self.path.parents) if folder.exists())
        has_blocks = os.statvfs(there).f_blocks > 0  # what is no disk, like /proc, is refused for what it is
        if has_blocks and (free := free_bytes(there)) < self.needed_bytes:
            raise DiskFull(folder=self.path, free=free // MIB, needed=self.needed_bytes // MIB)

    def check_owner(self) -> None:
        owner = self.path.stat().st_uid
        if owner != os.geteuid():
            raise FolderOfAnother(folder=self.path, owner=user_name(owner))

    def check_writable(self) -> None:
        probe = self.path / "probe"
        probe.touch()
        probe.unlink()

    def hold(self) -> None:
        """Take the lock for as long as this process lives. Somebody who only asks has it for an instant: try again."""
        for _ in range(HOLD_TRIES):
            if try_lock(self.lock, fcntl.LOCK_EX):
                (self.path / "lock").write_text(str(os.getpid()))
                return
            time.sleep(HOLD_WAIT)
        raise self.already_running()

    def already_running(self) -> AlreadyRunning:
        os.close(self.lock)
        if found := read(self.path):
            return AlreadyRunning(folder=self.path, who=f"process {found.pid} at {found.api_url}")
        holder = self.path / "lock"
        who = f"process {holder.read_text()}" if holder.exists() else "a process"
        return AlreadyRunning(folder=self.path, who=f"{who}, still starting")

    def write(self, system: Running) -> None:
        """Say where the system is; readers see all of it or what stood there before."""
        draft = self.path / "run.json.new"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(system))
        draft.replace(self.path / "run.json")

    def forget(self) -> None:
        (self.path / "run.json").unlink(missing_ok=True)


def free_bytes(folder: Path) -> int:
    """What is left on its disk."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def user_name(uid: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)
