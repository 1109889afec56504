"""The command line of bwrap: what of the machine a script sees, and what it does not."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from adapters.supervisor.records import WORK
from domain.execution import Limits

SUPERVISOR = "/proc/self/fd/3"
"""Where the keeper leaves the supervisor's program: a descriptor needs no path that the sandbox can reach."""

ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime")
ROOT_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


CERTIFICATES = ("ssl/certs", "ssl/openssl.cnf", "pki/tls/certs", "pki/ca-trust/extracted")
"""By which a script with network knows whom it talks to: where Debian and Fedora have them."""


def bwrap_command(bwrap: str, limits: Limits, prefix: Path | None, *, network: bool = False) -> list[str]:
    """`prefix` is a folder of the runtime outside /usr, shown under its own path.

    `network` alone reaches nothing: it is for where a proxy takes what the supervisor hands out.
    """
    return [
        bwrap,
        *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup"),
        *("--uid", "1000", "--gid", "1000", "--hostname", "sandbox"),
        *("--new-session", "--die-with-parent", "--as-pid-1"),
        *_system(ETC + CERTIFICATES if network else ETC),
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


def _bounded(size: int, *folders: str) -> Iterator[str]:
    for folder in folders:
        yield from ("--size", str(size), "--tmpfs", folder)
