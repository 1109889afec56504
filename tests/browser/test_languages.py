"""Choosing a language: what can run here is offered, and of all others the page says why not."""

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.person import NAMES, Person
from tests.system import System


@pytest.fixture
def runtimes(running_system: System) -> list[dict]:
    return httpx.get(f"{running_system.url}/api/v1/runtimes").json()["runtimes"]


def name_of(runtime: dict) -> str:
    return f"{NAMES[runtime['language']]} {runtime['version']}"


def test_what_can_run_is_offered_and_nothing_else(person: Person, runtimes: list[dict]):
    options = person.page.get_by_label("Language").locator("option")
    expect(options).to_have_text([name_of(runtime) for runtime in runtimes if runtime["is_available"]])


def test_of_what_cannot_run_the_page_says_why(person: Person, runtimes: list[dict]):
    missing = [runtime for runtime in runtimes if not runtime["is_available"]]
    person.page.get_by_text(f"{len(missing)} versions cannot run here").click()
    reasons = person.page.get_by_role("region", name="What cannot run here")
    expect(reasons.get_by_role("term")).to_have_text([name_of(runtime) for runtime in missing])
    expect(reasons.get_by_role("definition")).to_have_text([runtime["reason"] for runtime in missing])


@pytest.mark.parametrize("language", NAMES)
def test_each_language_that_can_run_does(language: str, person: Person, runtimes: list[dict]):
    if not any(runtime["is_available"] for runtime in runtimes if runtime["language"] == language):
        pytest.skip(f"{language} is not installed here")
    person.choose(NAMES[language])
    expect(person.script).to_contain_text(f"Hello from {NAMES[language]}")
    person.page.get_by_role("button", name="Run").click()
    person.sees_end()
    expect(person.output).to_contain_text("still here: 3")
