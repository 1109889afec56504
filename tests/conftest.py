"""What holds for all tests."""

import functools
import logging
import re
import signal
from pathlib import Path
from typing import Any

import freezegun
import pytest
from xdist.scheduler import LoadFileScheduling

pytest_plugins = ["tests.no_skips", "tests.system", "tests.real_registry", "tests.real_kubernetes"]

# A shell that begins the tests in the background has these ignored, and whatever is under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# What followed a cluster that is gone goes on trying in the background, and would fill every other test's log.
logging.getLogger("urllib3").setLevel(logging.ERROR)

# To stop the clock everywhere, every module is looked into; the client of Kubernetes loads each of its own at a look.
freezegun.configure(extend_ignore_list=["kubernetes"])


SHARED_NODE = re.compile(r"(?<!\.)\breal_kubernetes\b")
"""The fixture, and not the module of that name, whose users start a node of their own."""


@functools.cache
def needs_kubernetes(file: Path) -> bool:
    return bool(SHARED_NODE.search(file.read_text()))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that nobody is left to work alone in the end."""
    items.sort(key=lambda item: (not needs_kubernetes(item.path), "faults" not in item.path.parts))


class ByFile(LoadFileScheduling):
    """A file stays in one process, and so do all that need Kubernetes: a second node would cost more than it saves."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "kubernetes" if needs_kubernetes(self.config.rootpath / file) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)
