"""What a test cluster makes outside of its namespaces, for as long as it is there."""

import errno
import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from tests.real_kafka import CACHE

CGROUPS = Path("/sys/fs/cgroup")
SYSCTLS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "net/ipv4/ip_forward",
)
"""What a kubelet sets for the whole machine."""
KEPT = CACHE / "runledger" / "kernel-settings.json"
"""Which they were before the first cluster, for the last: several test processes may have one each."""
END_SECONDS = 10


@contextmanager
def standing_outside(name: str) -> Iterator[None]:
    """A cgroup of this name for all pods, and the bridge of this name, which the node makes."""
    with kernel_settings_kept():
        for cgroup in cgroups(name):
            cgroup.mkdir()
        try:
            yield
        finally:
            for cgroup in cgroups(name):
                remove_cgroup(cgroup)
            subprocess.run(["ip", "link", "delete", name], check=False, capture_output=True)


@contextmanager
def kernel_settings_kept(file: Path = KEPT) -> Iterator[None]:
    with file.open("a+") as kept:
        if is_alone(kept):
            file.write_bytes(msgspec.json.encode(kernel_settings()))
        fcntl.flock(kept, fcntl.LOCK_SH)
        try:
            yield
        finally:
            if is_alone(kept):
                for name, value in msgspec.json.decode(file.read_bytes()).items():
                    (Path("/proc/sys") / name).write_text(value)


def is_alone(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def kernel_settings() -> dict[str, str]:
    return {name: (Path("/proc/sys") / name).read_text() for name in SYSCTLS}


def cgroups(name: str) -> list[Path]:
    """In version 1 one for each hierarchy."""
    if (CGROUPS / "cgroup.procs").exists():
        return [CGROUPS / name]
    return [parent / name for parent in CGROUPS.iterdir() if parent.is_dir() and not parent.is_symlink()]


def remove_cgroup(cgroup: Path) -> None:
    """The kernel may still be letting go of its processes."""
    deadline = time.monotonic() + END_SECONDS
    for folder, _, _ in os.walk(cgroup, topdown=False):
        while not _is_removed(Path(folder)) and time.monotonic() < deadline:
            time.sleep(0.05)


def _is_removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError as problem:
        return problem.errno != errno.EBUSY
    return True
