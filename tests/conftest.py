"""What holds for all tests."""

pytest_plugins = ["tests.no_skips", "tests.system", "tests.real_registry"]
