"""What holds for all tests."""

import signal

pytest_plugins = ["tests.no_skips", "tests.system", "tests.real_registry", "tests.real_kubernetes"]

# A shell that begins the tests in the background has these ignored, and whatever is under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
