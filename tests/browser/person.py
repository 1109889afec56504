"""What a person does with the page."""

from playwright.sync_api import Locator, Page, expect

PASSWORD = "correct horse battery staple"
NAMES = {"python": "Python", "node": "Node.js", "ruby": "Ruby", "bash": "Bash", "go": "Go"}
RUN_ENDS_WITHIN_MS = 30_000


class Person:
    """One person at one page."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name

    def register(self) -> None:
        self.page.goto("/")
        self.page.get_by_role("button", name="Create an account").click()
        self.sign("Create an account", self.name, PASSWORD)
        expect(self.page.get_by_role("button", name="Log out")).to_be_visible()

    def sign(self, form: str, name: str, password: str) -> None:
        self.page.get_by_label("User name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("form", name=form).get_by_role("button", name=form, exact=True).click()

    def write(self, script: str) -> None:
        """Instead of the example, which may be on its way still."""
        expect(self.script).not_to_have_text("")
        self.script.click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(script)

    def choose(self, language: str) -> None:
        """The first version of it that can run here."""
        select = self.page.get_by_label("Language")
        label = select.locator("option:enabled", has_text=language).first.inner_text()
        select.select_option(label=label)

    def run(self, script: str) -> None:
        self.write(script)
        self.page.keyboard.press("Control+Enter")

    def run_to_the_end(self, script: str) -> None:
        self.run(script)
        self.sees_end()

    def sees_status(self, status: str) -> None:
        expect(self.status).to_contain_text(status, timeout=RUN_ENDS_WITHIN_MS)

    def sees_end(self) -> None:
        """The result is stored, so the run is in the history."""
        expect(self.summary).to_be_visible(timeout=RUN_ENDS_WITHIN_MS)

    def open_details(self) -> None:
        self.page.get_by_role("link", name="Timeline and details").click()
        expect(self.page.get_by_role("heading", name="Timeline")).to_be_visible()

    def open_runs(self) -> None:
        self.page.get_by_role("navigation").get_by_role("link", name="Runs").click()

    @property
    def script(self) -> Locator:
        return self.page.get_by_role("textbox", name="Script")

    @property
    def output(self) -> Locator:
        return self.page.get_by_role("region", name="Output", exact=True)

    @property
    def status(self) -> Locator:
        return self.page.locator("[data-status]")

    @property
    def summary(self) -> Locator:
        return self.page.get_by_role("list", name="Result")

    @property
    def runs(self) -> Locator:
        return self.page.get_by_role("region", name="Runs").get_by_role("link")

    @property
    def timeline(self) -> Locator:
        return self.page.get_by_role("region", name="Timeline").get_by_role("listitem")
