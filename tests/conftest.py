"""What holds for all tests."""

import logging
import signal

import freezegun
import pytest

pytest_plugins = ["tests.no_skips", "tests.system", "tests.real_registry", "tests.real_kubernetes"]

# A shell that begins the tests in the background has these ignored, and whatever is under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# What followed a cluster that is gone goes on trying in the background, and would fill every other test's log.
logging.getLogger("urllib3").setLevel(logging.ERROR)

# To stop the clock everywhere, every module is looked into; the client of Kubernetes loads each of its own at a look.
freezegun.configure(extend_ignore_list=["kubernetes"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that nobody is left to work alone in the end."""
    items.sort(key=lambda item: "faults" not in item.path.parts)
