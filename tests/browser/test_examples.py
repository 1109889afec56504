"""The examples in docs/, through the page: what it offers to download is what the programs write when run directly."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.person import NAMES, RUN_ENDS_WITHIN_MS, Person
from tests.examples.example import EXAMPLES, Example


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_through_the_page(example: Example, person: Person):
    person.choose(NAMES[example.language])
    person.page.get_by_label("Standard input").fill(example.stdin.decode())
    person.run(example.program.read_text())
    expect(person.summary).to_be_visible(timeout=RUN_ENDS_WITHIN_MS)

    assert example.is_expected(downloaded(person, "stdout"))
    if example.stderr:
        assert downloaded(person, "stderr") == example.stderr
    words = "Succeeded" if example.exit_code == 0 else f"Failed with exit code {example.exit_code}"
    expect(person.summary).to_contain_text(words)


def downloaded(person: Person, stream: str) -> bytes:
    with person.page.expect_download() as download:
        person.page.get_by_role("link", name=stream).first.click()
    return Path(download.value.path()).read_bytes()
