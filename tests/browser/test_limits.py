"""Limits of a run, on the page."""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Locator, expect

from tests.browser.person import Person
from tests.browser.test_appearance import is_clean
from tests.system import System, configured, running_on

SLEEP = "import time\nprint('begun', flush=True)\ntime.sleep(20)"


def field(person: Person, label: str) -> Locator:
    return person.page.get_by_role("textbox", name=label, exact=True)


def opened(person: Person) -> Locator:
    """The part of the form, by keyboard."""
    summary = person.page.locator("summary", has_text="Limits")
    expect(field(person, "Time (s)")).to_be_hidden()
    summary.focus()
    person.page.keyboard.press("Enter")
    expect(field(person, "Time (s)")).to_be_visible()
    return summary


def test_a_run_has_them_and_is_opened_with_them_again(person: Person):
    summary = opened(person)
    field(person, "Time (s)").fill("0.7")
    field(person, "Memory (MiB)").fill("48")
    person.run(SLEEP)
    person.sees_status("Timed out")
    person.sees_end()
    person.page.reload()
    expect(summary).to_contain_text("Limits (Time 0.7 s, Memory 48 MiB)")
    opened(person)
    field(person, "Time (s)").fill("")
    field(person, "Memory (MiB)").fill("")
    expect(summary).to_have_text("Limits")
    person.open_runs()
    person.runs.first.click()
    person.page.get_by_role("button", name="Open in editor").click()
    expect(summary).to_contain_text("Limits (Time 0.7 s, Memory 48 MiB)")
    opened(person)
    expect(field(person, "Processes")).to_have_value("")


def test_in_a_narrow_window_a_run_comes_into_view(new_person):
    person = new_person(width=360, height=780)
    opened(person)
    expect(person.status).not_to_be_in_viewport()
    person.run("print('here')")
    expect(person.status).to_be_in_viewport()
    expect(person.output).to_be_in_viewport()


@pytest.mark.parametrize(
    ("label", "value", "words"),
    [
        ("Time (s)", "1e6", "limits.wall_seconds is 1000000.0; at most"),
        ("Memory (MiB)", "1", "Expected `int` >= 16777216 (16 MiB)"),
        ("Processes", "1.5", "Expected `int | null`, got `float`"),
        ("CPU (cores)", "two", "'two' is not a number."),
    ],
)
def test_what_is_wrong_with_one_is_said_at_its_field(label: str, value: str, words: str, person: Person):
    summary = opened(person)
    wrong = field(person, label)
    wrong.fill(value)
    summary.click()
    person.run("print('done')")
    expect(wrong).to_be_visible()
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(wrong).to_have_accessible_description(re.compile(re.escape(words)))
    expect(person.page.get_by_role("alert")).to_have_count(1)
    wrong.fill("")
    person.run_to_the_end("print('done')")
    expect(person.page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_they_are_for_everybody(new_person, width: int, scheme: str):
    person = new_person(width=width, scheme=scheme)
    opened(person)
    field(person, "Output (MiB)").fill("1000000000000")
    person.run("print('done')")
    expect(person.page.get_by_role("alert")).to_be_visible()
    is_clean(person.page)


class TestLowCeilings:
    @pytest.fixture(scope="class")
    @classmethod
    def running_system(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
        with running_on(configured(tmp_path_factory.mktemp("low") / "data", max_wall_seconds=7)) as system:
            yield system

    def test_the_defaults_and_ceilings_are_those_of_the_installation(self, person: Person, running_system: System):
        limits = httpx.get(f"{running_system.url}/api/v1/k8s-limits").json()
        assert (limits["defaults"]["wall_seconds"], limits["ceilings"]["wall_seconds"]) == (7, 7)
        opened(person)
        expect(field(person, "Time (s)")).to_have_accessible_description("7 if empty, at most 7")
