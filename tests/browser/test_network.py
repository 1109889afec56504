"""The box for network is there where the operator grants it, and nowhere else."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.person import Person
from tests.system import System, configured, running_on

SHOW = "import os; print('HTTP_PROXY' in os.environ)"


class TestGranted:
    @pytest.fixture(scope="class")
    @classmethod
    def running_system(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
        data = configured(tmp_path_factory.mktemp("granting") / "data", network_hosts="*,example.org:8443")
        with running_on(data) as system:
            yield system

    def test_a_run_has_network_when_its_box_is_ticked(self, person: Person):
        box = person.page.get_by_role("checkbox", name="Network (every public address, example.org:8443)")
        expect(box).not_to_be_checked()
        person.run_to_the_end(SHOW)
        expect(person.output).to_contain_text("False")
        box.check()
        person.run_to_the_end(SHOW)
        expect(person.output).to_contain_text("True")

    def test_it_is_ticked_again_for_a_run_that_is_opened_in_the_editor(self, person: Person):
        box = person.page.get_by_role("checkbox", name="Network")
        box.check()
        person.run_to_the_end(SHOW)
        person.open_details()
        expect(person.page.get_by_text("with network")).to_be_visible()
        person.page.get_by_role("button", name="Open in editor").click()
        expect(box).to_be_checked()


def test_where_nobody_has_network_there_is_no_box(person: Person):
    expect(person.page.get_by_label("Standard input")).to_be_visible()
    expect(person.page.get_by_label("Language").locator("option").first).to_be_attached()
    expect(person.page.get_by_role("checkbox", name="Network")).to_have_count(0)
