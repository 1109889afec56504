import { beforeEach, describe, expect, test } from "vitest";
import { KEPT_CHARACTERS, Output, type Frame, type Piece } from "./output.svelte";

function frame(number: number, stream: 1 | 2, ...bytes: number[]): Frame {
  return [number, stream, btoa(String.fromCharCode(...bytes))];
}

function text(number: number, stream: 1 | 2, value: string): Frame {
  return frame(number, stream, ...new TextEncoder().encode(value));
}

let output: Output;

beforeEach(() => {
  output = new Output();
});

describe("order", () => {
  test("both streams keep the order in which they were written", () => {
    output.write([text(1, 1, "a\n"), text(2, 2, "b\n"), text(3, 1, "c\n")]);
    expect(output.pieces).toEqual([
      { stream: "stdout", text: "a\n" },
      { stream: "stderr", text: "b\n" },
      { stream: "stdout", text: "c\n" },
    ]);
  });

  test("a frame that comes again after a reconnection is dropped", () => {
    output.write([text(1, 1, "a"), text(2, 1, "b")]);
    output.write([text(1, 1, "a"), text(2, 1, "b"), text(3, 1, "c")]);
    expect(written()).toBe("abc");
    expect(output.bytes).toEqual({ stdout: 3, stderr: 0 });
  });

  test("after a reset the same frames are taken again", () => {
    output.write([text(1, 1, "a")]);
    output.clear();
    output.write([text(1, 1, "a")]);
    expect(written()).toBe("a");
  });
});

describe("bytes", () => {
  test("a character split between two frames is whole, even with the other stream between them", () => {
    output.write([frame(1, 1, 0xe2, 0x82), text(2, 2, "!"), frame(3, 1, 0xac)]);
    expect(output.pieces).toEqual([
      { stream: "stderr", text: "!" },
      { stream: "stdout", text: "€" },
    ]);
  });

  test("invalid bytes become replacement characters", () => {
    output.write([frame(1, 1, 0x61, 0xff, 0x62)]);
    expect(written()).toBe("a\ufffdb");
  });

  test("a character that is never completed becomes a replacement character at the end", () => {
    output.write([frame(1, 1, 0x61, 0xe2)]);
    output.finish();
    expect(written()).toBe("a\ufffd");
  });

  test("a byte order mark is kept", () => {
    output.write([frame(1, 1, 0xef, 0xbb, 0xbf, 0x61)]);
    expect(written()).toBe("\ufeffa");
  });
});

describe("size", () => {
  test("only the end of a large output is kept, and all of it is counted", () => {
    const line = "x".repeat(9_999) + "\n";
    for (let number = 1; number <= 1000; number++) output.write([text(number, 1, line)]);
    expect(output.bytes.stdout).toBe(10_000_000);
    expect(output.isTrimmed).toBe(true);
    expect(written().length).toBeGreaterThanOrEqual(KEPT_CHARACTERS - line.length);
    expect(written().length).toBeLessThanOrEqual(KEPT_CHARACTERS * 1.2);
  });
});

test("a listener gets what is there and then what comes, until it stops", () => {
  const heard: Piece[] = [];
  output.write([text(1, 1, "before")]);
  const stop = output.listen({ append: (piece) => heard.push(piece), clear: () => heard.splice(0) });
  output.write([text(2, 2, "after")]);
  stop();
  output.write([text(3, 1, "unheard")]);
  expect(heard.map((piece) => piece.text)).toEqual(["before", "after"]);
});

function written(): string {
  return output.pieces.map((piece) => piece.text).join("");
}
