"""The command line of bwrap: what of the machine a script sees, and what it does not."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from adapters import etc
from adapters.supervisor.records import WORK
from domain.execution import Limits

SUPERVISOR = "/proc/self/fd/3"
"""Where the keeper leaves the supervisor's program: a descriptor needs no path that the sandbox can reach."""

UID = 1000
FIRST_FILE = 5
"""Where the keeper leaves the first of the files that it is given with --file: FIRST_FILE_FD of `keeper.h`."""
FILES = {"hosts": etc.HOSTS, "passwd": etc.passwd(UID), "group": etc.group(UID)}
"""Of the sandbox's own in /etc. Copies of what comes by a descriptor: no mounts, and no path that must be in reach."""

ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime")
ROOT_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


CERTIFICATES = ("ssl/certs", "ssl/openssl.cnf", "pki/tls/certs", "pki/ca-trust/extracted")
"""By which a script with network knows whom it talks to: where Debian and Fedora have them."""


def bwrap_command(
    bwrap: str, limits: Limits, prefix: Path | None, *, network: bool = False, files: Sequence[str] = ()
) -> list[str]:
    """`prefix` is a folder of the runtime outside /usr, shown under its own path; `files` are the names in FILES.

    `network` alone reaches nothing: it is for where a proxy takes what the supervisor hands out.
    """
    return [
        bwrap,
        *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup"),
        *("--uid", str(UID), "--gid", str(UID), "--hostname", etc.NAME),
        *("--new-session", "--die-with-parent", "--as-pid-1"),
        *_system(ETC + CERTIFICATES if network else ETC),
        *_own(files),
        *(("--ro-bind", str(prefix), str(prefix)) if prefix else ()),
        *("--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"),
        *_bounded(limits.disk_bytes, "/dev/shm", "/tmp", WORK),  # noqa: S108  # the sandbox's own
        *("--remount-ro", "/dev", "--remount-ro", "/"),
        *("--chdir", WORK),
        *("--", SUPERVISOR, *(["network"] if network else [])),
    ]


def _system(settings: Sequence[str]) -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for name in ROOT_FOLDERS:
        folder = Path("/", name)
        if folder.is_symlink():
            yield from ("--symlink", str(folder.readlink()), str(folder))
        elif folder.exists():
            yield from ("--ro-bind", str(folder), str(folder))
    for name in settings:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")


def _own(files: Iterable[str]) -> Iterator[str]:
    for descriptor, name in enumerate(files, FIRST_FILE):
        yield from ("--perms", "0444", "--file", str(descriptor), f"/etc/{name}")


def _bounded(size: int, *folders: str) -> Iterator[str]:
    for folder in folders:
        yield from ("--size", str(size), "--tmpfs", folder)
