import { expect, test } from "vitest";
import { Problem } from "../api/problem";
import type { Limits } from "../runtimes/catalogue.svelte";
import { typed, wishes } from "./limits";

const MEBIBYTE = 1024 ** 2;
const DEFAULTS: Limits = {
  wall_seconds: 30,
  cpus: 1,
  memory_bytes: 256 * MEBIBYTE,
  pids: 64,
  output_bytes: 10 * MEBIBYTE,
  disk_bytes: 64 * MEBIBYTE,
};

test("what is left empty is not asked for", () => {
  expect(wishes({})).toBeNull();
  expect(wishes({ wall_seconds: "", cpus: " " })).toBeNull();
  expect(wishes({ wall_seconds: "", cpus: " 0.5 " })).toEqual({ cpus: 0.5 });
});

test("sizes are typed in MiB and asked for in whole bytes", () => {
  expect(wishes({ memory_bytes: "32", disk_bytes: "0.1" })).toEqual({ memory_bytes: 32 * MEBIBYTE, disk_bytes: 104858 });
});

test("a part of a process is asked for as it is typed, so that the server can say no", () => {
  expect(wishes({ pids: "1.5" })).toEqual({ pids: 1.5 });
});

test.each(["much", "1e999", "-Infinity", "NaN", "0,5"])("%s is told at its field, and not sent as no limit", (text) => {
  let problem: unknown;
  try {
    wishes({ cpus: "2", memory_bytes: text });
  } catch (error) {
    problem = error;
  }
  expect((problem as Problem).detailOf("limits.memory_bytes")).toBe(`'${text}' is not a number.`);
});

test("the limits of an earlier run are typed where they are not the default, and ask for the same again", () => {
  const limits = { ...DEFAULTS, wall_seconds: 0.5, output_bytes: 100_000 };
  expect(Object.keys(typed(limits, DEFAULTS))).toEqual(["wall_seconds", "output_bytes"]);
  expect(wishes(typed(limits, DEFAULTS))).toEqual({ wall_seconds: 0.5, output_bytes: 100_000 });
  expect(typed(DEFAULTS, DEFAULTS)).toEqual({});
});
