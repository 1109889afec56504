"""The page without its server, and after it."""

from playwright.sync_api import expect

from tests.browser.person import Person


def test_a_person_without_a_network_is_told_and_the_output_is_whole_afterwards(person: Person):
    page = person.page
    person.run("import time\nfor i in range(30): print(i, flush=True); time.sleep(0.2)")
    expect(person.output).to_contain_text("3", timeout=20_000)

    page.context.set_offline(True)
    expect(page.get_by_text("You are offline.")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("You are offline.")).to_be_hidden()

    person.sees_end()
    assert person.output.locator("pre").inner_text().split() == [str(i) for i in range(30)]


def test_a_run_pressed_without_a_network_starts_once_when_it_is_back(person: Person):
    page = person.page
    page.context.set_offline(True)
    person.run("print('late')")
    page.context.set_offline(False)
    person.sees_end()
    person.open_runs()
    expect(person.runs).to_have_count(1)
