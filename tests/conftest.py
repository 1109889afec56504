"""What holds for all tests."""

import signal

import freezegun

pytest_plugins = ["tests.no_skips", "tests.system", "tests.real_registry", "tests.real_kubernetes"]

# A shell that begins the tests in the background has these ignored, and whatever is under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# To stop the clock everywhere, every module is looked into; the client of Kubernetes loads each of its own at a look.
freezegun.configure(extend_ignore_list=["kubernetes"])
