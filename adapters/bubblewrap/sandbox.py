"""The Sandbox port on this machine."""

import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from adapters.bubblewrap import keeper
from adapters.bubblewrap.catalogue import Interpreter, NotInstalled, locate
from adapters.bubblewrap.cgroups import NO_CGROUP, Cgroups, find_cgroups
from adapters.bubblewrap.command import FILES, bwrap_command
from adapters.bubblewrap.network import PROXY_BYTES, PROXY_THREADS, proxy_command, with_proxy
from adapters.bubblewrap.problems import NO_BWRAP, NOT_BUILT, find_problems
from adapters.supervisor.build import KEEPER, SUPERVISOR
from adapters.supervisor.records import check_taken, encode_job, ending_where_garbled
from adapters.supervisor.seen import Seen
from application.ports.sandbox import (
    Ended,
    Frame,
    Job,
    NetworkWithdrawn,
    Runtime,
    SandboxNotFound,
    SandboxUnavailable,
    SandboxUnreachable,
)
from domain.execution import Outcome, Status

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
FIRST_UID = 70_000
"""Runs started by root get this kernel uid or one of the UIDS after it: one run, one uid."""
UIDS = 1_000
UIDS_FOLDER = Path("/run/runledger/uids")
"""Which of them are taken. Machine-wide, because uids are."""
OWN_PROCESSES = 2
"""bwrap and the supervisor, which the script's limit does not include."""
DRAFT_SECONDS = 60.0
"""A folder half made or half removed for so long has nobody who still works on it."""
MARK_SECONDS = 600.0
"""Who comes to start a sandbox so much later than it was removed finds in the log that its run has ended."""
LOST = Outcome(Status.LOST, "its sandbox was lost and its spool cannot be written")


class BubblewrapSandbox:
    """Runs in `folder`, at most `slots` at once; `allow_weak` permits runs that no cgroup limits.

    `hosts` is what runs with network may reach, as `adapters.network.hosts` reads it.
    """

    def __init__(self, folder: Path, slots: int = 64, allow_weak: bool = False, hosts: str = "") -> None:
        self._folder = folder.absolute() / "sandboxes"
        self._slots_folder = folder.absolute() / "slots"
        self._marks = folder.absolute() / "removed"
        self._slots = slots
        self._allow_weak = allow_weak
        self._hosts = hosts
        self._cgroups: Cgroups | None = None
        self._bwrap = ""

    def start(self, job: Job) -> None:
        if self._path(job.sandbox).exists():
            return
        self._bwrap = self._bwrap or _bwrap()
        interpreter = _locate(job.runtime)
        command = [*job.runtime.command[:-1], str(interpreter.path)]
        options = [*self._place_options(job.sandbox), *_limit_options(job), *self._network_options(job)]
        bwrap = bwrap_command(self._bwrap, job.limits, interpreter.prefix, network=job.network, files=list(FILES))
        keeper.run(options, bwrap, encode_job(with_proxy(job) if job.network else job, command))

    def free_slots(self) -> int:
        return sum(not keeper.is_held(self._slots_folder / str(slot)) for slot in range(self._slots))

    def watch(self, sandbox: str, after: int = 0) -> Iterator[Frame]:
        folder = self._existing(sandbox)
        seen = Seen(after)
        for source in (keeper.live_frames(folder, after), keeper.spooled_frames(folder), keeper.settled_frames(folder)):
            for frame in ending_where_garbled(source):
                if seen.is_new(frame):
                    yield frame
                if isinstance(frame, Ended):
                    return
        yield Ended(LOST, datetime.now(UTC))

    def feed(self, sandbox: str, offset: int, data: bytes, is_last: bool) -> None:
        try:
            check_taken(keeper.feed(self._existing(sandbox), offset, data, is_last), offset, len(data))
        except TimeoutError:
            raise SandboxUnreachable(f"the keeper of {sandbox} does not answer") from None

    def stop(self, sandbox: str) -> None:
        folder = self._path(sandbox)
        if folder.exists():
            keeper.stop(folder)
            _settle(folder)

    def list(self) -> Sequence[str]:
        if not self._folder.exists():
            return []
        self._sweep()
        return sorted(entry.name for entry in self._folder.iterdir() if NAME.fullmatch(entry.name))

    def remove(self, sandbox: str) -> None:
        """It is never started again: who is late, or was stopped in the middle of a start, makes no second one."""
        folder = self._path(sandbox)
        with suppress(OSError):  # where the disk is full, what is removed makes room
            _make_private(self._marks)
            (self._marks / sandbox).touch()
        if not folder.exists():
            return
        self.stop(sandbox)
        doomed = self._folder / f".gone-{uuid4()}"
        with suppress(FileNotFoundError):  # another remove was faster
            folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)  # the keeper may be deleting its socket too; `list` sweeps the rest

    def find_problems(self) -> Sequence[str]:
        """Sentences for people, each with the way out; empty when runs can be started."""
        return find_problems(self._allow_weak)

    def _path(self, sandbox: str) -> Path:
        if not NAME.fullmatch(sandbox):
            raise ValueError(f"not a sandbox's name: {sandbox!r}")
        return self._folder / sandbox

    def _existing(self, sandbox: str) -> Path:
        folder = self._path(sandbox)
        if not folder.exists():
            raise SandboxNotFound(sandbox)
        return folder

    def _place_options(self, sandbox: str) -> Iterator[str]:
        _make_private(self._folder)
        _make_private(self._slots_folder)
        _make_private(self._marks)
        cgroups = self._usable_cgroups()
        yield from ("--folder", str(self._path(sandbox)), "--mark", str(self._marks / sandbox))
        yield from ("--slots-folder", str(self._slots_folder), "--slots", str(self._slots))
        yield from ("--supervisor", str(SUPERVISOR))
        if os.geteuid() == 0:
            _make_private(UIDS_FOLDER)
            yield from ("--uids-folder", str(UIDS_FOLDER), "--uids", str(UIDS), "--first-uid", str(FIRST_UID))
        yield from ("--cgroup-version", str(cgroups.version))
        for parent in cgroups.parents:
            yield from ("--cgroup", str(parent))
        for content in FILES.values():
            yield from ("--file", content)

    def _network_options(self, job: Job) -> Iterator[str]:
        if job.network and not self._hosts:
            raise NetworkWithdrawn
        for word in proxy_command(self._hosts) if job.network else ():
            yield from ("--proxy", word)

    def _usable_cgroups(self) -> Cgroups:
        found = self._cgroups or find_cgroups()
        if found.version == 0 and not self._allow_weak:
            raise SandboxUnavailable(NO_CGROUP)
        self._cgroups = found
        return found

    def _sweep(self) -> None:
        """Settle what a killed keeper left, and delete what a killed start or remove left, and old marks."""
        for entry in self._folder.iterdir():
            if not keeper.is_alive(entry):
                with suppress(FileNotFoundError):  # somebody else removed it just now
                    _tidy(entry)
        _make_private(self._marks)
        for mark in self._marks.iterdir():
            if _is_older(mark, MARK_SECONDS):
                mark.unlink(missing_ok=True)


def _tidy(entry: Path) -> None:
    if NAME.fullmatch(entry.name):
        _settle(entry)
    elif _is_older(entry, DRAFT_SECONDS):
        shutil.rmtree(entry, ignore_errors=True)


def _is_older(entry: Path, seconds: float) -> bool:
    """Nothing that is not there is."""
    with suppress(FileNotFoundError):
        return entry.lstat().st_mtime < time.time() - seconds
    return False


def _limit_options(job: Job) -> Iterator[str]:
    """With room for the proxy, where there is one."""
    memory = job.limits.memory_bytes + PROXY_BYTES * job.network
    pids = job.limits.pids + OWN_PROCESSES + PROXY_THREADS * job.network
    yield from ("--memory", str(memory), "--pids", str(pids), "--cpu-quota", str(int(job.limits.cpus * 100_000)))


def _settle(folder: Path) -> None:
    with suppress(SandboxNotFound):
        if not keeper.has_ended(folder):
            keeper.settle(folder)


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.geteuid():
        raise SandboxUnavailable(f"{folder} belongs to another user.")


def _bwrap() -> str:
    if not KEEPER.exists() or not SUPERVISOR.exists():
        raise SandboxUnavailable(NOT_BUILT)
    if found := shutil.which("bwrap"):
        return found
    raise SandboxUnavailable(NO_BWRAP)


def _locate(runtime: Runtime) -> Interpreter:
    try:
        return locate(runtime.program, runtime.version)
    except NotInstalled as reason:
        raise SandboxUnavailable(str(reason)) from None
