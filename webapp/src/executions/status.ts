import type { Execution } from "./execution";

export type Status = Execution["status"];
export type Tone = "active" | "good" | "bad" | "neutral";

const LABELS: Record<Status, string> = {
  queued: "Queued",
  starting: "Starting",
  running: "Running",
  succeeded: "Succeeded",
  failed: "Failed",
  timed_out: "Timed out",
  out_of_memory: "Out of memory",
  output_limit: "Too much output",
  cancelled: "Cancelled",
  lost: "Lost",
  internal_error: "Internal error",
};

export function statusLabel(status: Status): string {
  return LABELS[status];
}

export function isFinal(status: Status): boolean {
  return !["queued", "starting", "running"].includes(status);
}

export function tone(status: Status): Tone {
  if (!isFinal(status)) return "active";
  if (status === "succeeded") return "good";
  return status === "cancelled" ? "neutral" : "bad";
}
