"""The page without its server, and after it."""

import os
import signal
import time

from playwright.sync_api import Route, expect

from tests.browser.person import Person

REFUSED_SECONDS = 4.0


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


def test_a_stream_that_begins_again_after_a_refusal_repeats_nothing(person: Person, running_system):
    """A refused reconnection ends an EventSource for good; the page opens a new one, which tells all from the start."""
    refused = []

    def refuse_at_first(route: Route) -> None:
        """The editor and the details have a stream each."""
        if not refused or time.monotonic() < refused[0] + REFUSED_SECONDS:
            refused.append(time.monotonic())
            route.fulfill(status=503, content_type="text/plain", body="not now")
        else:
            route.continue_()

    person.run("import time\nfor i in range(40): print(i, flush=True); time.sleep(0.2)")
    person.open_details()
    expect(person.output).to_contain_text("3", timeout=20_000)
    person.page.route("**/api/v1/events/executions/*", refuse_at_first)
    os.kill(running_system.running.processes["api"], signal.SIGKILL)

    person.sees_end()
    assert refused
    assert person.timeline.count() == 4
    assert person.output.locator("pre").inner_text().split() == [str(i) for i in range(40)]
