"""Typing to a script while it runs."""

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.person import Person
from tests.browser.test_appearance import is_clean

ASKS = """
name = input("Your name? ")
print("Hello", name, flush=True)
while True:
    try:
        print("again", input(), flush=True)
    except EOFError:
        print("and no more")
        break
"""


def line_of(person: Person) -> Locator:
    return person.page.get_by_label("Input for the script")


def run_open(person: Person) -> None:
    person.page.get_by_label("Type more while it runs").check()
    person.run(ASKS)
    expect(person.output).to_contain_text("Your name?", timeout=20_000)


def test_a_script_asks_and_is_answered_by_keyboard_alone(person: Person):
    run_open(person)
    line_of(person).focus()
    person.page.keyboard.type("Žofie")
    person.page.keyboard.press("Enter")
    expect(person.output).to_contain_text("Hello Žofie")
    expect(line_of(person)).to_have_value("")
    expect(line_of(person)).to_be_focused()
    person.page.keyboard.press("Enter")
    person.page.keyboard.type("the last, without an end of line")
    person.page.keyboard.press("Control+d")
    person.sees_end()
    expect(person.summary).to_contain_text("Succeeded")
    assert person.output.locator("pre").inner_text().splitlines() == [
        "Your name? Hello Žofie",
        "again ",
        "again the last, without an end of line",
        "and no more",
    ]
    expect(line_of(person)).to_be_hidden()
    expect(person.output).to_be_focused()


def test_lines_sent_fast_arrive_in_their_order_and_the_button_ends_them(person: Person):
    run_open(person)
    line_of(person).focus()
    for number in range(20):
        person.page.keyboard.type(f"{number}\n")
    person.page.get_by_role("button", name="End input").click()
    person.sees_end()
    said = person.output.locator("pre").inner_text().split("\n", 1)[1].split()
    assert said == [word for number in range(1, 20) for word in ("again", str(number))] + ["and", "no", "more"]


def test_a_run_takes_no_input_unless_it_was_asked_for(person: Person):
    person.run("import time\nprint('up', flush=True)\ntime.sleep(5)")
    expect(person.output).to_contain_text("up", timeout=20_000)
    expect(line_of(person)).to_be_hidden()


def test_the_run_is_answered_from_its_own_screen_too_and_its_timeline_says_how_much(person: Person):
    run_open(person)
    line_of(person).fill("Ann")
    person.page.keyboard.press("Enter")
    expect(person.output).to_contain_text("Hello Ann")
    person.open_details()
    line_of(person).fill("from here")
    person.page.keyboard.press("Enter")
    expect(person.output).to_contain_text("again from here")
    person.page.get_by_role("button", name="End input").click()
    person.sees_end()
    told = [entry.split("\n")[0] for entry in person.timeline.all_inner_texts()]
    assert [words for words in told if "nput" in words] == ["4 bytes of input", "10 bytes of input", "Input ended"]
    assert not any("Ann" in words for words in told)


def test_two_pages_give_to_one_run_and_one_of_them_ends_it(person: Person):
    run_open(person)
    person.open_details()
    other = person.page.context.new_page()
    other.goto(person.page.url)
    theirs = other.get_by_label("Input for the script")
    theirs.fill("Bea")
    other.keyboard.press("Enter")
    expect(person.output).to_contain_text("Hello Bea")
    line_of(person).fill("mine")
    person.page.keyboard.press("Enter")
    expect(person.output).to_contain_text("again mine")
    line_of(person).press("Control+d")
    person.sees_end()
    expect(theirs).to_be_hidden()


def test_the_choice_is_kept_over_a_reload(person: Person):
    person.page.get_by_label("Type more while it runs").check()
    person.page.reload()
    expect(person.page.get_by_label("Type more while it runs")).to_be_checked()


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_line_is_for_everybody(new_person, width: int, scheme: str):
    person = new_person(width=width, scheme=scheme)
    run_open(person)
    line_of(person).fill("a line that is longer than the field is wide " * 3)
    is_clean(person.page)
    person.page.get_by_role("button", name="Send").click()
    person.page.get_by_role("button", name="End input").click()
    person.sees_end()
    person.open_details()
    is_clean(person.page)
