"""Everything without a mouse."""

from playwright.sync_api import Page, expect

from tests.browser.person import PASSWORD, Person


def tab_to(page: Page, name: str, key: str = "Tab", most: int = 40) -> None:
    """Moves the focus on until it stands on the control with this name, and sees that it is visible there."""
    target = page.get_by_role("button", name=name, exact=True).or_(page.get_by_role("link", name=name, exact=True))
    for _ in range(most):
        if page.evaluate("document.activeElement.isContentEditable"):
            page.keyboard.press("Escape")  # Tab indents in the script, but not just after Escape
        page.keyboard.press(key)
        if target.first.evaluate("node => node === document.activeElement"):
            outline = target.first.evaluate("node => getComputedStyle(node).outlineStyle")
            assert outline != "none", f"the focus on {name} cannot be seen"
            return
    raise AssertionError(f"{name} is not reached by {key}")


def leave_the_script(page: Page) -> None:
    """Tab indents there; after Escape it goes on."""
    page.keyboard.press("Escape")  # where suggestions are shown, this closes them
    page.keyboard.press("Escape")
    for label in ("Type more while it runs", "Standard input"):
        page.keyboard.press("Tab")
        expect(page.get_by_label(label)).to_be_focused()


def test_a_journey_by_keyboard_from_the_account_to_the_logout(page: Page, name: str):
    person, keys = Person(page, name), page.keyboard
    page.goto("/")
    expect(page.get_by_label("User name")).to_be_focused()
    tab_to(page, "Create an account")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Create an account")).to_be_visible()
    page.get_by_label("User name").focus()
    keys.type(name)
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Enter")
    expect(person.script).to_be_visible()

    keys.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    keys.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    keys.press("Tab")
    expect(page.get_by_label("Language")).to_be_focused()
    expect(page.get_by_role("button", name="Run")).to_be_enabled()  # else Tab passes it by
    keys.press("Tab")
    keys.press("Tab")
    expect(person.script).to_be_focused()
    keys.press("Control+a")
    keys.insert_text("import time\nprint('by keyboard', flush=True)\ntime.sleep(60)")
    keys.press("Control+Enter")
    expect(person.output).to_contain_text("by keyboard", timeout=20_000)

    leave_the_script(page)
    tab_to(page, "Cancel")
    keys.press("Enter")
    person.sees_status("Cancelled")
    person.sees_end()

    tab_to(page, "Runs", "Shift+Tab")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_focused()
    expect(person.runs).to_have_count(1)
    keys.press("Tab")
    expect(person.runs.first).to_be_focused()
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    tab_to(page, "Open in editor", most=2)  # past "Run again"
    keys.press("Escape")
    expect(page.get_by_role("heading", name="Timeline")).to_be_hidden()
    expect(person.runs.first).to_be_focused()

    tab_to(page, "Log out", "Shift+Tab")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_a_change_of_status_is_announced(person: Person):
    person.run_to_the_end("print('heard')")
    expect(person.page.get_by_role("status").filter(has_text="Succeeded with exit code 0")).to_have_count(1)


def test_a_run_opened_in_a_narrow_window_has_the_focus_and_gives_it_back(new_person):
    person = new_person(width=360, height=740)
    person.run_to_the_end("print('one')")
    person.run_to_the_end("print('two')")
    person.open_runs()
    person.runs.last.focus()
    person.page.keyboard.press("Enter")
    expect(person.page.get_by_role("heading", level=1)).to_be_focused()
    tab_to(person.page, "All runs", "Shift+Tab", most=1)
    person.page.keyboard.press("Enter")
    expect(person.runs.last).to_be_focused()


def test_each_screen_has_a_title_of_its_own(page: Page, name: str):
    page.goto("/")
    expect(page).to_have_title("Log in · Runledger")
    person = Person(page, name)
    person.register()
    expect(page).to_have_title("Editor · Runledger")
    person.run_to_the_end("print('titled')")
    person.open_details()
    expect(page).to_have_title("Run · Runledger")
    person.open_runs()
    expect(page).to_have_title("Runs · Runledger")
    page.goto("/#/nowhere")
    expect(page).to_have_title("Not found · Runledger")
