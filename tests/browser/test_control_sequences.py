"""What scripts write for terminals: colours are shown, lines are written over, and nothing of it becomes markup."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.person import Person
from tests.browser.test_appearance import is_clean

TRAPS = (
    "<img src=x onerror=alert(1)>\x1b[31m<b>red</b>\x1b[0m\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07"
    "\x1b]0;<i>title\x07\x1b[2J\x1b[1;1H\x1b[?1049h\x9b31mend"
)
SHADES = """
import itertools, sys
named = [*range(30, 38), *range(90, 98)]
corners = [";".join(channels) for channels in itertools.product(("0", "255"), repeat=3)]
pairs = [f"{colour};{fill + 10}" for colour in named for fill in named]
pairs += [f"38;2;{colour};48;2;{fill}" for colour in corners for fill in corners]
alone = [f"{what};5;{number}" for number in range(256) for what in ("38", "48", "7;38")]
styles = [*alone, *pairs, "7", "2", "2;41", "1;3;4;9"]
for stream in (sys.stdout, sys.stderr):
    stream.write("".join(f"\\x1b[0;{style}mtext\\x1b[7minverse" for style in styles))
    stream.flush()
"""
# Of each text with a style: how much lighter one of text and ground is (WCAG 2.2, 1.4.3), as it is painted.
CONTRASTS = """
output => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const luminance = (colour) => {
    if (!known.has(colour)) {
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const linear = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((channel) => channel / 255)
        .map((channel) => (channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4));
      known.set(colour, 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]);
    }
    return known.get(colour);
  };
  const ground = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return colour === "rgba(0, 0, 0, 0)" ? ground(element.parentElement) : colour;
  };
  return [...output.querySelectorAll("pre span span:not(:has(span))")].map((span) => {
    const [dark, light] = [getComputedStyle(span).color, ground(span)].map(luminance).sort((a, b) => a - b);
    return [(light + 0.05) / (dark + 0.05), span.className, span.style.cssText, span.parentElement.className];
  });
}
"""


def writing(text: str) -> str:
    return f"import sys; sys.stdout.buffer.write({text.encode()!r})"


def test_colours_are_shown_and_the_download_has_them_to_the_byte(person: Person):
    text = "\x1b[31mred\x1b[39m and \x1b[1;4mbold\x1b[0m plain\r\n"
    person.run_to_the_end(writing(text))
    assert person.output.locator("pre").inner_text() == "red and bold plain\n"
    red, bold = person.output.locator("pre span span").all()
    expect(red).to_have_text("red")
    expect(red).to_have_css("color", re.compile(r"^oklch\("))
    expect(bold).to_have_css("font-weight", "700")
    expect(bold).to_have_css("text-decoration-line", "underline")
    with person.page.expect_download() as download:
        person.page.get_by_role("link", name="stdout").click()
    assert download.value.path().read_bytes() == text.encode()


def test_nothing_that_is_written_becomes_markup(person: Person):
    title = person.page.title()
    person.run_to_the_end(writing(TRAPS))
    assert person.output.locator("pre").inner_text() == "<img src=x onerror=alert(1)><b>red</b>linkend"
    names = person.output.locator("pre").evaluate("pre => [...pre.querySelectorAll('*')].map(one => one.localName)")
    assert set(names) == {"div", "span"}
    assert person.page.title() == title


def test_a_line_that_is_written_over_is_one_line(person: Person):
    person.run(
        "import sys, time\n"
        "for done in range(0, 101, 10):\n"
        "    print(f'\\r\\x1b[K{done} % of it', end='', file=sys.stderr, flush=True); time.sleep(0.1)\n"
        "print('\\nover', file=sys.stderr)\n"
    )
    expect(person.output).to_contain_text(re.compile(r"\d % of it"))
    person.sees_end()
    assert person.output.locator("pre").inner_text() == "100 % of it\nover\n"
    expect(person.output.locator(".stderr").first).to_contain_text("100 % of it")


def test_more_styles_than_a_page_can_have_make_room_for_the_last_ones(person: Person):
    person.run(r"print('\x1b[1mx\x1b[m\n' * 60_000 + 'the end')")
    expect(person.output).to_contain_text("the end", timeout=60_000)
    expect(person.page.get_by_text("Only the end of the output is shown")).to_be_visible()
    assert person.output.evaluate("output => output.querySelectorAll('span').length") < 45_000


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_can_be_read_on_every_ground(new_person, width: int, scheme: str):
    person = new_person(width=width, scheme=scheme)
    person.run_to_the_end(SHADES)
    contrasts = person.output.evaluate(CONTRASTS)
    assert len(contrasts) > 2 * (3 * 256 + 2 * 16 * 16)
    assert [told for told in contrasts if told[0] < 4.5] == []
    is_clean(person.page)
