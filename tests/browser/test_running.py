"""Writing a script, running it and watching it."""

from playwright.sync_api import expect

from tests.browser.person import Person

SLOW = """
import time
for i in range(100):
    print("line", i, flush=True)
    time.sleep(0.2)
"""

AT_ITS_END = "node => node.scrollHeight - node.scrollTop - node.clientHeight < 2"


def test_lines_appear_while_the_script_runs_and_cancel_ends_it(person: Person):
    person.run(SLOW)
    expect(person.output).to_contain_text("line 3", timeout=60_000)
    person.sees_status("Running")

    person.page.get_by_role("button", name="Cancel").click()

    person.sees_status("Cancelled")
    person.sees_end()
    expect(person.output).not_to_contain_text("line 99")
    expect(person.page.get_by_role("button", name="Cancel")).to_be_hidden()


def test_stdout_and_stderr_are_kept_apart_and_in_order(person: Person):
    person.run_to_the_end(
        "import sys, time\n"
        "print('one', flush=True); time.sleep(0.3)\n"
        "print('two', file=sys.stderr, flush=True); time.sleep(0.3)\n"
        "print('three', flush=True)\n"
    )
    assert person.output.locator("pre").inner_text().split() == ["one", "two", "three"]
    assert person.output.locator(".stderr").all_inner_texts() == ["two\n"]

    person.page.get_by_role("group", name="Show").get_by_text("stderr").click()
    expect(person.output.get_by_text("two")).to_be_visible()
    expect(person.output.get_by_text("one")).to_be_hidden()


def test_the_script_reads_what_was_given_as_standard_input(person: Person):
    person.page.get_by_label("Standard input").fill("round trip\n")
    person.run_to_the_end("print(input()[::-1])")
    expect(person.output).to_contain_text("pirt dnuor")


def test_the_end_is_told_in_words(person: Person):
    person.run_to_the_end("raise SystemExit(3)")
    expect(person.summary).to_contain_text("Failed with exit code 3")
    expect(person.summary).to_contain_text("peak memory")
    expect(person.output).to_contain_text("The script wrote nothing.")


def test_what_the_page_cannot_show_is_in_the_download(person: Person):
    person.run_to_the_end("import sys; sys.stdout.buffer.write(b'caf\\xc3\\xa9 \\xff end')")
    expect(person.output).to_contain_text("café \ufffd end")

    with person.page.expect_download() as download:
        person.page.get_by_role("link", name="stdout").click()
    assert download.value.path().read_bytes() == b"caf\xc3\xa9 \xff end"


def test_a_large_output_shows_its_end_and_the_page_stays_quick(person: Person):
    person.run("for i in range(400_000): print('row', i)\nprint('the', 'end')")
    expect(person.output).to_contain_text("the end", timeout=60_000)
    person.sees_end()
    expect(person.output).to_contain_text("Only the end of the output is shown")
    assert len(person.output.inner_text()) < 1_500_000
    person.page.wait_for_function(AT_ITS_END, arg=person.output.element_handle())


def test_the_script_is_still_there_after_a_reload(person: Person):
    person.write("print('draft')")
    person.page.reload()
    expect(person.script).to_contain_text("print('draft')")


def test_an_empty_script_is_answered_in_words(person: Person):
    person.run("")
    expect(person.page.get_by_role("alert").or_(person.summary)).to_be_visible(timeout=30_000)
