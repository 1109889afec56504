"""Registering, logging in, logging out."""

from contextlib import suppress

from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as Late

from tests.browser.person import PASSWORD, Person


def test_the_first_load_asks_for_a_login_and_no_request_fails(page: Page):
    failed = []
    page.on("response", lambda response: failed.append(response.url) if response.status >= 400 else None)
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.on("console", lambda message: failed.append(message.text) if message.type == "error" else None)

    page.goto("/")

    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    expect(page.get_by_label("User name")).to_be_focused()
    page.wait_for_load_state("networkidle")
    assert failed == []


def test_a_short_password_is_refused_in_words(page: Page, name: str):
    page.goto("/")
    page.get_by_role("button", name="Create an account").click()
    Person(page, name).sign("Create an account", name, "short")
    expect(page.get_by_text("10 characters").first).to_be_visible()
    expect(page.get_by_role("button", name="Log out")).to_be_hidden()


def test_a_name_is_given_once(person: Person, page: Page):
    page.goto("/")
    page.get_by_role("button", name="Create an account").click()
    Person(page, person.name).sign("Create an account", person.name, PASSWORD)
    expect(page.get_by_role("alert")).to_be_visible()


def test_a_wrong_password_is_refused_and_the_right_one_taken(person: Person):
    page = person.page
    page.get_by_role("button", name="Log out").click()
    person.sign("Log in", person.name, "not the password")
    expect(page.get_by_role("alert")).to_be_visible()

    person.sign("Log in", person.name, PASSWORD)
    expect(page.get_by_text(person.name)).to_be_visible()


def test_after_a_logout_nothing_of_the_person_is_left(person: Person):
    page = person.page
    person.write("print('a private script')")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()

    page.reload()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    assert page.evaluate("JSON.stringify(sessionStorage)") == "{}"


def test_a_session_that_ends_elsewhere_asks_for_a_login_and_goes_on_where_it_was(person: Person):
    page = person.page
    person.open_runs()
    expect(page.get_by_text("No runs yet")).to_be_visible()
    page.context.clear_cookies()

    with suppress(Late):  # where the page has heard of it by itself, there is nowhere to go
        page.get_by_role("navigation").get_by_role("link", name="Editor").click(timeout=5_000)
        person.open_runs()
    expect(page.get_by_text("Your session has ended")).to_be_visible()

    person.sign("Log in", person.name, PASSWORD)
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
