"""What this machine must have, each looked at by itself."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator

from ops.settings import Settings

Check = Callable[[Settings], str | None]


def examine(settings: Settings) -> list[tuple[str, str | None]]:
    """By name, what is wrong in words; None where nothing is."""
    return [(name, check(settings)) for name, check in CHECKS.items()]


def _python(_: Settings) -> str | None:
    version = sys.version_info
    if (3, 11) <= version < (3, 14):
        return None
    return f"Python {version.major}.{version.minor} is not supported; use 3.11, 3.12 or 3.13."


def _bubblewrap(_: Settings) -> str | None:
    return None if shutil.which("bwrap") else "bubblewrap is missing; install it: apt-get install bubblewrap"
