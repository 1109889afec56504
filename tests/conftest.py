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
    """A file stays in one process, and so do all that need Kubernetes: a second node would cost more than it saves.

    What takes longest comes first, so that nobody is left to work alone in the end.
    """
    on_a_cluster = {item.path for item in items if _needs_kubernetes(item)}
    items.sort(key=lambda item: (item.path not in on_a_cluster, "faults" not in item.path.parts))
    for item in items:
        group = "kubernetes" if item.path in on_a_cluster else item.path.as_posix()
        item.add_marker(pytest.mark.xdist_group(group))


def _needs_kubernetes(item: pytest.Item) -> bool:
    """A file whose tests ask for it only when they run says so itself."""
    return "real_kubernetes" in getattr(item, "fixturenames", ()) or item.get_closest_marker("xdist_group") is not None
