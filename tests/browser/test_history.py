"""The runs of a person, and each of them by its address."""

from playwright.sync_api import Route, expect

from tests.browser.person import Person
from tests.browser.test_running import SLOW

PAGE = 30


def test_the_history_has_every_run_newest_first(person: Person):
    person.open_runs()
    expect(person.page.get_by_text("No runs yet")).to_be_visible()
    person.page.get_by_role("link", name="Write a script").click()

    person.run_to_the_end("import time\nprint('first')")
    person.run("raise SystemExit(1)")
    person.sees_status("Failed")
    person.sees_end()

    person.open_runs()
    expect(person.runs).to_have_count(2)
    expect(person.runs.first).to_contain_text("Failed")
    expect(person.runs.last).to_contain_text("Succeeded")
    expect(person.runs.last).to_contain_text("Python")
    expect(person.runs.first).to_contain_text("raise SystemExit(1)")
    expect(person.runs.last).to_contain_text("print('first')")
    expect(person.runs.last).not_to_contain_text("import time")


def test_a_run_has_its_timeline_its_output_and_its_script(person: Person):
    person.run_to_the_end("print('hello')")
    person.open_details()
    expect(person.timeline.first).to_contain_text("Requested")
    expect(person.timeline).to_have_count(4)
    expect(person.output).to_contain_text("hello")
    expect(person.page.get_by_role("region", name="Script")).to_contain_text("print('hello')")


def test_the_address_of_a_run_works_again_after_a_reload(person: Person):
    person.run_to_the_end("print('kept')")
    person.open_details()
    person.page.reload()
    expect(person.output).to_contain_text("kept")
    expect(person.timeline).to_have_count(4)


def test_a_reload_in_the_middle_of_a_run_loses_no_line_and_repeats_none(person: Person):
    person.run("import time\nfor i in range(25): print(i, flush=True); time.sleep(0.2)")
    expect(person.output).to_contain_text("5", timeout=20_000)
    person.open_details()
    person.page.reload()
    person.sees_end()
    assert person.output.locator("pre").inner_text().split() == [str(i) for i in range(25)]


def test_a_running_run_can_be_cancelled_from_its_own_page(person: Person):
    person.run(SLOW)
    expect(person.output).to_contain_text("line 1", timeout=20_000)
    person.open_details()
    person.page.get_by_role("button", name="Cancel").click()
    person.sees_status("Cancelled")
    expect(person.runs.first).to_contain_text("Cancelled")


def test_a_run_opens_in_the_editor(person: Person):
    person.run_to_the_end("print('once')")
    person.write("print('changed')")
    person.open_runs()
    person.runs.first.click()
    person.page.get_by_role("button", name="Open in editor").click()
    expect(person.script).to_contain_text("print('once')")


def test_the_run_of_somebody_else_is_not_shown(person: Person, new_person):
    person.run_to_the_end("print('private')")
    person.open_details()
    other = new_person()
    other.page.goto(person.page.url)
    expect(other.page.get_by_role("alert")).to_be_visible()
    expect(other.page.get_by_text("private")).to_be_hidden()


def test_older_runs_are_loaded_on_demand(person: Person):
    positions = [start_elsewhere(person, "true", "bash") for _ in range(PAGE + 2)]
    listed = person.page.request.get(f"/api/v1/executions?min_position={positions[-1]}")
    assert listed.status == 200
    person.open_runs()
    expect(person.runs).to_have_count(PAGE)
    person.page.get_by_role("button", name="Load older runs").click()
    expect(person.runs).to_have_count(PAGE + 2)
    expect(person.page.get_by_role("button", name="Load older runs")).to_be_hidden()


def test_a_run_started_elsewhere_appears_and_goes_on_without_a_reload(person: Person):
    person.open_runs()
    expect(person.page.get_by_text("No runs yet")).to_be_visible()
    person.page.evaluate("window.wasNotReloaded = true")
    start_elsewhere(person, "import time; time.sleep(1); print('elsewhere')")
    expect(person.runs).to_have_count(1)
    expect(person.runs.first).to_contain_text("Running")
    expect(person.runs.first).to_contain_text("Succeeded")
    expect(person.runs.first).to_contain_text("1.")
    expect(person.runs.first).to_contain_text("print('elsewhere')")
    start_elsewhere(person, "exit(3)")
    expect(person.runs).to_have_count(2)
    expect(person.runs.first).to_contain_text("Failed")
    assert person.page.evaluate("window.wasNotReloaded")


def test_a_list_that_was_overtaken_by_news_takes_none_of_it_back(person: Person):
    person.open_runs()
    expect(person.page.get_by_text("No runs yet")).to_be_visible()
    start_elsewhere(person, "import time; time.sleep(3)")
    expect(person.runs.first).to_contain_text("Running")
    late, answers = [], []

    def hold(route: Route) -> None:
        """The first is answered late, and those after it never."""
        late.append(route)
        if late == [route]:
            answers.append(route.fetch())

    person.page.route("**/api/v1/executions?**", hold)
    start_elsewhere(person, "print('another')")
    expect(person.runs.first).to_contain_text("Succeeded")
    assert [item["status"] for item in answers[0].json()["items"]][1] == "running"
    late[0].fulfill(response=answers[0])
    expect(person.runs).to_have_count(2)
    expect(person.runs.last).to_contain_text("Succeeded")


def test_the_list_asks_no_questions_while_nothing_happens(person: Person):
    start_elsewhere(person, "import time; time.sleep(6)")
    person.open_runs()
    expect(person.runs.first).to_contain_text("Running")
    asked = []
    person.page.on("request", lambda request: asked.append(request.url))
    person.page.wait_for_timeout(4_000)
    assert asked == []


def test_the_list_says_that_it_is_cut_off_and_has_everything_when_it_is_back(person: Person):
    person.open_runs()
    expect(person.page.get_by_text("No runs yet")).to_be_visible()
    person.page.route("**/api/v1/events/me", lambda route: route.fulfill(status=503, body="not now"))
    person.page.reload()
    expect(person.page.get_by_text("Reconnecting.")).to_be_visible()
    start_elsewhere(person, "print('meanwhile')")
    person.page.unroute("**/api/v1/events/me")
    expect(person.page.get_by_text("Reconnecting.")).to_be_hidden(timeout=15_000)
    expect(person.runs.first).to_contain_text("Succeeded", timeout=15_000)


def start_elsewhere(person: Person, script: str, language: str = "python") -> int:
    """As from another tab, or a program. Returns the position."""
    answer = person.page.request.post(
        "/api/v1/execute",
        headers={"X-Requested-With": "runledger"},
        data={"language": language, "script": script},
    )
    assert answer.status == 202
    return answer.json()["position"]


def test_an_ended_run_is_run_again_and_the_new_one_leads_back(person: Person):
    person.run(SLOW)
    person.open_details()
    expect(person.page.get_by_role("button", name="Run again")).to_be_hidden()
    person.page.get_by_role("button", name="Cancel").click()
    person.sees_end()
    old = person.page.url

    person.page.get_by_role("button", name="Run again").click()

    expect(person.runs).to_have_count(2)
    expect(person.output).to_contain_text("line 1", timeout=20_000)
    assert person.page.url != old
    person.page.get_by_role("link", name="an earlier run").click()
    person.sees_status("Cancelled")
    assert person.page.url == old
