"""Every screen in both themes and on both widths: for screen readers by axe, and without sideways scrolling."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.person import Person

AXE = Path(__file__).parents[2] / "webapp" / "node_modules" / "axe-core" / "axe.min.js"

SCRIPT = "import sys\nprint('x' * 300)\nprint('trouble', file=sys.stderr)\nraise SystemExit(2)"

pytestmark = [
    pytest.mark.parametrize("width", [360, 1440]),
    pytest.mark.parametrize("scheme", ["light", "dark"]),
]


def is_clean(page: Page) -> None:
    # The page's content security policy forbids inline scripts, and so a script tag; evaluating is not one.
    page.evaluate(AXE.read_text())
    violations = page.evaluate("axe.run().then(found => found.violations)")
    told = [(found["id"], [node["html"] for node in found["nodes"]]) for found in violations]
    assert told == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_the_account_forms(new_page, width: int, scheme: str, name: str):
    page = new_page(width=width, scheme=scheme)
    page.goto("/")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    is_clean(page)
    Person(page, name).sign("Log in", name, "somebody unknown")
    expect(page.get_by_role("alert")).to_be_visible()
    is_clean(page)
    page.get_by_role("button", name="Create an account").click()
    is_clean(page)


def test_the_editor_before_during_and_after_a_run(new_person, width: int, scheme: str):
    person = new_person(width=width, scheme=scheme)
    expect(person.script).to_be_visible()
    is_clean(person.page)
    person.run("import time\nprint('go', flush=True)\ntime.sleep(60)")
    expect(person.output).to_contain_text("go", timeout=20_000)
    is_clean(person.page)
    person.page.get_by_role("button", name="Cancel").click()
    person.sees_status("Cancelled")
    person.run(SCRIPT)
    person.sees_status("Failed")
    person.sees_end()
    is_clean(person.page)


def test_the_runs(new_person, width: int, scheme: str):
    person = new_person(width=width, scheme=scheme)
    person.open_runs()
    expect(person.page.get_by_text("No runs yet")).to_be_visible()
    is_clean(person.page)
    person.page.get_by_role("link", name="Write a script").click()
    person.run_to_the_end(SCRIPT)
    person.open_runs()
    expect(person.runs).to_have_count(1)
    is_clean(person.page)
    person.runs.first.click()
    person.sees_end()
    expect(person.timeline).to_have_count(4)
    is_clean(person.page)
    person.page.goto("/#/runs/00000000-0000-4000-8000-000000000000")
    expect(person.page.get_by_role("alert")).to_be_visible()
    is_clean(person.page)
    person.page.goto("/#/nowhere")
    expect(person.page.get_by_text("There is no such page")).to_be_visible()
    is_clean(person.page)


def test_the_theme_follows_the_choice_and_stays(new_page, width: int, scheme: str):
    page = new_page(width=width, scheme=scheme)
    page.goto("/")
    other = "dark" if scheme == "light" else "light"
    page.get_by_role("button", name=f"Use {other} colours").click()
    page.reload()
    expect(page.get_by_role("button", name=f"Use {scheme} colours")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == other
