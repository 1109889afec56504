import { expect, test } from "vitest";
import { append, type Run } from "./open-line";
import type { Piece } from "./output.svelte";
import { PLAIN } from "./style";
import { Terminal } from "./terminal";

/** What is shown in the end: text without a style by itself, other text with what differs. */
function shown(...pieces: (string | Piece)[]): (string | [string, object])[] {
  return runsOf(pieces).map(({ style, text }) => (style === PLAIN ? text : [text, differences(style)]));
}

function textOf(...pieces: (string | Piece)[]): string {
  return runsOf(pieces).map((run) => run.text).join("");
}

function runsOf(pieces: (string | Piece)[]): Run[] {
  const terminal = new Terminal();
  const settled = pieces.flatMap((piece) => terminal.write(typeof piece === "string" ? { stream: "stdout", text: piece } : piece));
  const runs: Run[] = [];
  for (const run of [...settled, ...terminal.open]) append(runs, run);
  return runs;
}

function differences(style: object): object {
  return Object.fromEntries(Object.entries(style).filter(([key, value]) => value !== PLAIN[key as keyof typeof PLAIN]));
}

const RED = "rgb(205 0 0)";

test("text without sequences is as it was", () => {
  const text = "a\tb\n\n  <b>&amp;</b> €🙂\u00a0\n";
  expect(shown(text)).toEqual([text]);
});

test("colours, bold and underline are styles, and end", () => {
  expect(shown("a\x1b[31mb\x1b[1;4mc\x1b[22;39md\x1b[me")).toEqual([
    "a",
    ["b", { colour: RED }],
    ["c", { colour: RED, isBold: true, isUnderlined: true }],
    ["d", { isUnderlined: true }],
    "e",
  ]);
});

test.each([
  ["\x1b[38;5;9m", { colour: "rgb(255 60 50)" }],
  ["\x1b[48;5;16m", { fill: "rgb(0 0 0)" }],
  ["\x1b[38;5;231m", { colour: "rgb(255 255 255)" }],
  ["\x1b[38;5;67m", { colour: "rgb(95 135 175)" }],
  ["\x1b[38;5;255m", { colour: "rgb(238 238 238)" }],
  ["\x1b[38;2;1;2;3;1m", { colour: "rgb(1 2 3)", isBold: true }],
  ["\x1b[97;100m", { colour: "rgb(255 255 255)", fill: "rgb(110 110 110)" }],
  ["\x1b[2;3;7;9m", { isFaint: true, isItalic: true, isInverse: true, isStruck: true }],
])("%j is understood", (sequence, style) => expect(shown(`${sequence}x`)).toEqual([["x", style]]));

test.each([
  ["\x1b[38;5;256m", "an index that there is not"],
  ["\x1b[38;2;1;2;300m", "a channel above a byte"],
  ["\x1b[38;2;1;2m", "a channel too few"],
  ["\x1b[38m", "a colour without a kind"],
  ["\x1b[38;7;1m", "a kind that there is not"],
  ["\x1b[99999999999999999999m", "a number that is too large"],
  [`\x1b[${"1".repeat(100_000)}m`, "a very large number"],
  ["\x1b[8m", "concealed"],
  ["\x1b[58;4:3m", "parameters in parts"],
  ["\x1b[58;5;1m\x1b[58;2;1;2;3m", "the colour of a line under text"],
  ["\x1b[?25l", "a hidden cursor"],
  ["\x1b[>4;1m", "a setting of keys, which ends like a style"],
  ["\x1b[2J\x1b[H", "a cleared screen"],
  ["\x1b[3A\x1b[10;20H", "a moved cursor"],
  ["\x1b]0;title\x07", "a title"],
  ["\x1b]8;;https://example.org\x1b\\", "a link"],
  ["\x1b]52;c;aGVsbG8=\x07", "a clipboard"],
  ["\x1bP1$r0m\x1b\\", "a device control string"],
  ["\x1b_payload\x1b\\", "an application command"],
  ["\x1b(0", "a character set"],
  ["\x1bc", "a reset"],
  ["\x1b[6n", "a question for the cursor"],
  ["\x1b[12\x18", "a cancelled sequence"],
  ["\x07\x00\x0e", "a bell, a null and a shift"],
  ["\x9b2J", "an introducer in one character"],
  ["\x1b[\x1b[K", "a sequence in a sequence"],
])("%j leaves nothing behind", (sequence) => expect(shown(`a${sequence}b`)).toEqual(["ab"]));

const TRICKY = "1\x1b[1;31m2é🙂\x1b]0;t<i>\x07\x1b[38;2;1;2;3m3\r\n\x1b[0;4m4\x1bP1;2q~\x1b\\5\rab\x1b[K6\b7\x1b[?25l\n8 9\r\x1b[2Kx";

test("a sequence may be split anywhere", () => {
  const whole = shown(TRICKY);
  expect(whole).toEqual(["1", ["2é🙂", { isBold: true, colour: RED }], ["3\n", { isBold: true, colour: "rgb(1 2 3)" }], ["ab7\nx", { isUnderlined: true }]]);
  const units = [...TRICKY];
  for (let at = 1; at < units.length; at++) {
    expect(shown(units.slice(0, at).join(""), units.slice(at).join(""))).toEqual(whole);
  }
  expect(shown(...units)).toEqual(whole);
});

test("a sequence of one stream is not broken by the other, and each has its own style", () => {
  const runs = runsOf(["\x1b[3", { stream: "stderr", text: "\x1b[4" }, "1mred", { stream: "stderr", text: "mline" }, "red"]);
  expect(runs.map(({ stream, style, text }) => [stream, text, differences(style)])).toEqual([
    ["stdout", "red", { colour: RED }],
    ["stderr", "line", { isUnderlined: true }],
    ["stdout", "red", { colour: RED }],
  ]);
});

test.each([
  ["1 %\r50 %\r100 %\n", "100 %\n"],
  ["100 %\r 50 %", " 50 %"],
  ["100 %\r5", "500 %"],
  ["long\r\x1b[Kx", "x"],
  ["long\x1b[2K\rx", "x"],
  ["a\r\nb\r\n", "a\nb\n"],
  ["|\b/\b-\b\\", "\\"],
  ["\b\ba", "a"],
  ["one\ntwo\rT\n", "one\nTwo\n"],
  ["🙂🙂x\r€", "€🙂x"],
])("%j is shown as %j", (text, line) => expect(textOf(text)).toBe(line));

test("what the other stream wrote is not written over", () => {
  expect(textOf("out", { stream: "stderr", text: "\rerr 1\rerr 2" }, "\rout")).toBe("outerr 2out");
});

test("what has settled is handed over once, and the open line is not among it", () => {
  const terminal = new Terminal();
  expect(terminal.write({ stream: "stdout", text: "one\ntwo" }).map((run) => run.text)).toEqual(["one\n"]);
  expect(terminal.open.map((run) => run.text)).toEqual(["two"]);
  expect(terminal.write({ stream: "stdout", text: "\rT\n" }).map((run) => run.text)).toEqual(["Two\n"]);
  expect(terminal.open).toEqual([]);
});

test("a line without an end settles, and may be written over no more", () => {
  const terminal = new Terminal();
  const settled = Array.from({ length: 100 }, () => terminal.write({ stream: "stdout", text: "x".repeat(1000) })).flat();
  expect(settled.map((run) => run.text).join("").length).toBeGreaterThan(95_000);
});

test("a sequence without an end does not grow with the output: what is too much of it is forgotten", () => {
  expect(shown("a", `\x1b[${"1;".repeat(10_000)}`, "31mb")).toEqual(["a", ["b", { isBold: true }]]);
});
