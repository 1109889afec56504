"""Where on this machine a process may make cgroups for its sandboxes."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

CONTROLLERS = ("memory", "pids", "cpu")

NO_CGROUP = (
    "No cgroup can limit memory, processes and CPU here: run as root, or as a user with a delegated cgroup v2 "
    "(systemd-run --user --scope -p Delegate=yes …), or allow weak sandboxes"
)


class Cgroups(msgspec.Struct, frozen=True):
    """`version` 1: one folder per controller, in the order of CONTROLLERS; 2: one folder; 0: there is none."""

    version: int
    parents: tuple[Path, ...]


class Mount(msgspec.Struct, frozen=True):
    kind: str
    root: str
    point: Path
    options: frozenset[str]


def find_cgroups() -> Cgroups:
    """Version 1 where it has the controllers, else version 2, else none."""
    mounts = list(_mounts())
    own = dict(_own_paths())
    return _find_v1(mounts, own) or _find_v2(mounts, own) or Cgroups(0, ())


def _mounts() -> Iterator[Mount]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split()[:3]
        if kind in {"cgroup", "cgroup2"}:
            root, point = before.split()[3:5]
            yield Mount(kind, root, Path(point), frozenset(options.split(",")))


def _own_paths() -> Iterator[tuple[str, str]]:
    """Controller (empty for version 2) and the path of this process in its hierarchy."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


def _folder(mount: Mount, path: str) -> Path:
    """A container sees its own cgroup as the root of the mount, but its full path in /proc/self/cgroup."""
    inside = path.removeprefix(mount.root.rstrip("/")) if path.startswith(mount.root) else "/"
    return mount.point / inside.strip("/")


def _find_v1(mounts: list[Mount], own: dict[str, str]) -> Cgroups | None:
    folders = [
        _folder(mount, own[controller])
        for controller in CONTROLLERS
        for mount in mounts
        if mount.kind == "cgroup" and controller in mount.options and controller in own
    ]
    if len(folders) == len(CONTROLLERS) and all(os.access(folder, os.W_OK) for folder in folders):
        return Cgroups(1, tuple(folders))
    return None


def _find_v2(mounts: list[Mount], own: dict[str, str]) -> Cgroups | None:
    for mount in mounts:
        if mount.kind == "cgroup2" and "" in own:
            folder = _folder(mount, own[""])
            for candidate in (folder, *folder.parents):
                if not candidate.is_relative_to(mount.point):
                    break
                if _hands_on_controllers(candidate):
                    return Cgroups(2, (candidate,))
    return None


def _hands_on_controllers(folder: Path) -> bool:
    """New cgroups below this folder get all controllers, and this process may move others into them."""
    handed_on = folder / "cgroup.subtree_control"
    if not os.access(folder, os.W_OK) or not os.access(folder / "cgroup.procs", os.W_OK):
        return False
    if set(CONTROLLERS) <= set(handed_on.read_text().split()):
        return True
    return _make_room(folder) and _hand_on(handed_on)


def _make_room(folder: Path) -> bool:
    """Version 2 keeps processes and controlled children apart: this process moves to a leaf beside its sandboxes.

    A cgroup that a plain user may write was delegated to them, with all that runs in it. Root may write any, and
    moves nobody but itself: other programs' processes are not ours.
    """
    members = {int(pid) for pid in (folder / "cgroup.procs").read_text().split()}
    if not set(CONTROLLERS) <= set((folder / "cgroup.controllers").read_text().split()):
        return False
    if os.geteuid() == 0 and members - {os.getpid()}:
        return False
    if members:
        leaf = folder / "runledger"
        leaf.mkdir(exist_ok=True)
        for pid in members:
            (leaf / "cgroup.procs").write_text(str(pid))
    return True


def _hand_on(handed_on: Path) -> bool:
    try:
        handed_on.write_text(" ".join(f"+{controller}" for controller in CONTROLLERS))
    except OSError:
        return False
    return True
