"""What this machine must have, each looked at by itself."""

import sys
from collections.abc import Callable

from adapters.embedded.redis import redis_server
from adapters.embedded.secantus import Secantus
from adapters.embedded.server import ProgramMissing
from domain.execution import Limits
from ops.containers.api import PAGE
from ops.sandboxes import runtimes, sandbox
from ops.settings import Settings
from ops.up.folder import DataFolder, running
from ops.up.refused import Refused

Check = Callable[[Settings], str | None]


def examine(settings: Settings) -> list[tuple[str, str | None]]:
    """By name, what is wrong in words; None where nothing is."""
    return [(name, check(settings)) for name, check in CHECKS.items()]


def _python(_: Settings) -> str | None:
    version = sys.version_info
    if (3, 11) <= version < (3, 14):
        return None
    return f"Python {version.major}.{version.minor} is not supported; use 3.11, 3.12 or 3.13."


def _sandbox(settings: Settings) -> str | None:
    return " ".join(sandbox(settings, Limits(), lambda _: True).find_problems()) or None


def _languages(settings: Settings) -> str | None:
    able = [row for row, reason in runtimes(settings).rows if reason is None]
    return None if able else "No language can run here; install python3 or bash from the system's packages."


def _page(_: Settings) -> str | None:
    return None if (PAGE / "index.html").exists() else "The page is not built; run `make setup`."


def _embedded(settings: Settings) -> str | None:
    needed: dict[str, tuple[str, Callable[[], object]]] = {
        "SecantusDB": (settings.mongo_url, Secantus(settings.data, 0).command),
        "redis-server": (settings.redis_url, redis_server),
    }
    missing = [name for name, (url, find) in needed.items() if not url and not _finds(find)]
    return (
        f"{' and '.join(missing)}: not installed; run `make setup`, or set the URL of a real one." if missing else None
    )


def _finds(find: Callable[[], object]) -> bool:
    try:
        find()
    except ProgramMissing:
        return False
    return True


def _data_folder(settings: Settings) -> str | None:
    if running(settings.data):
        return None
    try:
        with DataFolder(settings.data):
            return None
    except Refused as refused:
        return str(refused)


CHECKS: dict[str, Check] = {
    "Python": _python,
    "sandbox": _sandbox,
    "languages": _languages,
    "web page": _page,
    "embedded servers": _embedded,
    "data folder": _data_folder,
}
