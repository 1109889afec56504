import { expect, test } from "vitest";
import type { Execution } from "./execution";
import { duration, size, summary } from "./words";

const finished: Execution = {
  id: "1",
  language: "python",
  version: "3.11",
  status: "succeeded",
  reason: null,
  exit_code: 0,
  signal: null,
  requested_at: "2026-01-01T00:00:00Z",
  started_at: "2026-01-01T00:00:01Z",
  ended_at: "2026-01-01T00:00:02Z",
  wall_seconds: 1.234,
  cpu_seconds: 0.05,
  peak_memory_bytes: 12 * 1024 * 1024,
  stdout_bytes: 3,
  stderr_bytes: 0,
  position: 9,
};

test.each([
  [0.0421, "42 ms"],
  [0.9999, "1.00 s"],
  [9.994, "9.99 s"],
  [12.34, "12.3 s"],
  [59.97, "1 min 0 s"],
  [3725, "1 h 2 min"],
])("%f seconds read as %s", (seconds, words) => expect(duration(seconds)).toBe(words));

test.each([
  [1, "1 byte"],
  [1023, "1023 bytes"],
  [1536, "1.5 KiB"],
  [10 * 1024 * 1024, "10 MiB"],
])("%i bytes read as %s", (bytes, words) => expect(size(bytes)).toBe(words));

test("a run that ended well says what it took", () => {
  expect(summary(finished)).toEqual(["Succeeded with exit code 0", "1.23 s in all", "50 ms of CPU", "12 MiB peak memory"]);
});

test("a run that was killed names the signal", () => {
  expect(summary({ ...finished, status: "failed", exit_code: null, signal: 11 })[0]).toBe("Killed by signal 11 (SIGSEGV)");
});

test("what was not measured is not said", () => {
  const lost = { ...finished, status: "lost", reason: "its sandbox is gone", wall_seconds: null, cpu_seconds: null, peak_memory_bytes: null } as const;
  expect(summary(lost)).toEqual(["Lost: its sandbox is gone"]);
});
