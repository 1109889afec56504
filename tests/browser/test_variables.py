"""Environment variables of a run, on the page."""

import pytest
from playwright.sync_api import expect

from tests.browser.person import Person
from tests.browser.test_appearance import is_clean

SHOW = "import os\nprint(sorted((name, value) for name, value in os.environ.items() if name.startswith('MY_')))"


def add(person: Person, row: int, name: str, value: str) -> None:
    person.page.get_by_role("button", name="Add a variable").click()
    field = person.page.get_by_label(f"Name of variable {row}")
    expect(field).to_be_focused()
    field.fill(name)
    person.page.get_by_label(f"Value of variable {row}").fill(value)


def test_the_script_has_them_and_the_run_shows_them_and_is_opened_with_them_again(person: Person):
    expect(person.page.get_by_label("Name of variable 1")).to_have_count(0)
    add(person, 1, "MY_ONE", "1 = a")
    add(person, 2, "MY_TWO", "žluťoučký")
    add(person, 3, "", "")
    person.run_to_the_end(SHOW)
    expect(person.output).to_contain_text("[('MY_ONE', '1 = a'), ('MY_TWO', 'žluťoučký')]")
    person.open_details()
    expect(person.page.get_by_role("region", name="Environment variables")).to_contain_text("MY_ONE=1 = a")
    person.page.get_by_role("button", name="Open in editor").click()
    expect(person.page.get_by_label("Value of variable 2")).to_have_value("žluťoučký")


def test_one_that_is_removed_is_not_given_and_they_are_kept_over_a_reload(person: Person):
    add(person, 1, "MY_ONE", "1")
    add(person, 2, "MY_TWO", "2")
    person.page.get_by_role("button", name="Remove variable 1").click()
    expect(person.page.get_by_label("Name of variable 1")).to_be_focused()
    person.page.reload()
    person.run_to_the_end(SHOW)
    expect(person.output).to_contain_text("[('MY_TWO', '2')]")
    person.page.get_by_role("button", name="Remove variable 1").click()
    expect(person.page.get_by_role("button", name="Add a variable")).to_be_focused()


@pytest.mark.parametrize(
    ("names", "words"),
    [(["1A"], "env has a variable '1A'; a name is letters"), (["MY_A", "MY_A"], "'MY_A' is there twice.")],
)
def test_what_is_wrong_with_them_is_said_where_they_are(names, words, person: Person):
    for row, name in enumerate(names, 1):
        add(person, row, name, "x")
    person.run(SHOW)
    group = person.page.get_by_role("group", name="Environment variables")
    expect(group.get_by_role("alert")).to_contain_text(words)
    expect(person.page.get_by_role("alert")).to_have_count(1)
    person.page.get_by_label("Name of variable 1").fill("MY_B")
    person.run_to_the_end(SHOW)
    expect(group.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_they_are_for_everybody(new_person, width: int, scheme: str):
    person = new_person(width=width, scheme=scheme)
    add(person, 1, "A_NAME_THAT_IS_RATHER_LONG_FOR_A_VARIABLE", "and a value that is as long as that or longer")
    add(person, 2, "1A", "x")
    is_clean(person.page)
    person.run(SHOW)
    expect(person.page.get_by_role("group", name="Environment variables").get_by_role("alert")).to_be_visible()
    is_clean(person.page)
