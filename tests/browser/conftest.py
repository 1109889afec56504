"""A browser in front of the running system."""

import itertools
import shutil
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.person import Person

FLAGS = [
    "--no-sandbox",  # inside a container there is no user namespace for Chromium's own sandbox
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 20_000
"""Two tests run at a time, on a machine that may be slow: what is measured is measured elsewhere."""
expect.set_options(timeout=PATIENCE_MS)
_names = (f"person-{time.time_ns() // 1000}-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Closed with its module: while Playwright runs, no other test can have an event loop."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def new_page(browser: Browser, running_system) -> Iterator[Callable[..., Page]]:
    """Opens pages that know nothing of each other. A page that fails by itself fails its test."""
    contexts, failures = [], []

    def opened(width: int = 1440, height: int = 900, scheme: str = "light") -> Page:
        context = browser.new_context(
            base_url=running_system.url,
            ignore_https_errors=True,
            viewport={"width": width, "height": height},
            color_scheme=scheme,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: failures.append(str(error)))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert failures == []


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    return new_page()


@pytest.fixture
def new_person(new_page: Callable[..., Page]) -> Callable[..., Person]:
    """Somebody who has just registered, each time another one."""

    def registered(**view) -> Person:
        person = Person(new_page(**view), next(_names))
        person.register()
        return person

    return registered


@pytest.fixture
def person(new_person: Callable[..., Person]) -> Person:
    return new_person()


@pytest.fixture
def name() -> str:
    return next(_names)
