"""What stands in the way of sandboxes on this machine, and how to get it out of the way."""

import os
import shutil
import subprocess
from collections.abc import Iterator

from adapters.bubblewrap.catalogue import installed
from adapters.bubblewrap.cgroups import NO_CGROUP, find_cgroups
from adapters.bubblewrap.command import bwrap_command
from adapters.supervisor.build import KEEPER, SUPERVISOR
from domain.execution import Limits

NO_BWRAP = "bubblewrap is missing: apt-get install bubblewrap."
NOT_BUILT = "The sandbox's own programs are not built: make setup."
NO_RUNTIME = "No language of the catalogue is installed where a sandbox can see it: apt-get install python3."
NO_NAMESPACES = (
    "bubblewrap cannot make a sandbox here ({said}). Unprivileged user namespaces must be allowed: "
    "sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0."
)
TRIAL_UID = 69_999
TRIAL_SECONDS = 10.0


def find_problems(allow_weak: bool) -> list[str]:
    """One sentence each, with the way out; empty when sandboxes can be started."""
    return list(_problems(allow_weak))


def _problems(allow_weak: bool) -> Iterator[str]:
    if not KEEPER.exists() or not SUPERVISOR.exists():
        yield NOT_BUILT
    if find_cgroups().version == 0 and not allow_weak:
        yield NO_CGROUP
    if not installed():
        yield NO_RUNTIME
    if (bwrap := shutil.which("bwrap")) is None:
        yield NO_BWRAP
    elif said := _refusal(bwrap):
        yield NO_NAMESPACES.format(said=said)


def _refusal(bwrap: str) -> str | None:
    """Tries it: too many settings of too many systems can forbid namespaces to know them all."""
    *sandbox, _ = bwrap_command(bwrap, Limits(), None)
    uid = TRIAL_UID if os.geteuid() == 0 else None
    groups: list[int] | None = [] if uid else None
    trial = subprocess.run(
        [*sandbox, "/bin/true"],
        env={},
        user=uid,
        group=uid,
        extra_groups=groups,
        check=False,
        capture_output=True,
        text=True,
        timeout=TRIAL_SECONDS,
    )
    return None if trial.returncode == 0 else trial.stderr.strip() or f"it ended with {trial.returncode}"
