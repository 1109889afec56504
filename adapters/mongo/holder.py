"""Which process holds something, so that another one on the same machine sees whether it is still there."""

import os
from functools import cache
from pathlib import Path

import msgspec

PROC = Path("/proc")
ENDED = {"Z", "X"}
"""States of a process that does nothing any more: its parent has not asked for its end yet (proc(5))."""


class Holder(msgspec.Struct, frozen=True):
    """One process among all that there ever were on any machine."""

    boot: str
    """The kernel's random id of the time since this machine was started."""
    namespace: str
    """In which its id means this process: containers on one machine have one each."""
    pid: int
    started: int
    """When, in clock ticks since the machine's start: whoever gets the same id later has another one."""

    @property
    def is_gone(self) -> bool:
        """Whether it has surely ended. Of another machine or namespace, nobody can tell: False."""
        here = this_process()
        return here is not None and (here.boot, here.namespace) == (self.boot, self.namespace) and not self._lives

    @property
    def _lives(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # somebody else's, whom /proc may hide
        try:
            state, started = _state(self.pid)
        except OSError:
            return True
        return started == self.started and state not in ENDED


def this_process() -> Holder | None:
    """The one that asks; None where /proc does not tell of it."""
    return _process(os.getpid())


@cache
def _process(pid: int) -> Holder | None:
    try:
        if str((PROC / "self").readlink()) != str(pid):
            return None  # this is the /proc of another namespace
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        return Holder(boot, str((PROC / "self/ns/pid").readlink()), pid, _state(pid)[1])
    except OSError:
        return None


def _state(pid: int) -> tuple[str, int]:
    """Fields 3 and 22 of its `stat`; the second one may hold anything, also blanks and brackets."""
    fields = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    return fields[0], int(fields[19])


# As a record of it says who holds something --------------------------------------------------------------------


def mine() -> dict[str, object] | None:
    """This process; None where it cannot be told from others."""
    this = this_process()
    return msgspec.to_builtins(this) if this else None


def is_gone(record: object) -> bool:
    """Whether who made this record has surely ended; False where it does not say who that is."""
    return record is not None and msgspec.convert(record, Holder).is_gone
