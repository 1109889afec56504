import type { Execution } from "./execution";
import { statusLabel } from "./status";

const SIGNALS: Record<number, string> = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  4: "SIGILL",
  6: "SIGABRT",
  7: "SIGBUS",
  8: "SIGFPE",
  9: "SIGKILL",
  11: "SIGSEGV",
  13: "SIGPIPE",
  14: "SIGALRM",
  15: "SIGTERM",
  24: "SIGXCPU",
  25: "SIGXFSZ",
  31: "SIGSYS",
};

export function duration(seconds: number): string {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(seconds < 9.995 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${whole % 60} s`;
}

export function size(bytes: number): string {
  if (bytes < 1024) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  const [unit, value] = bytes < 1024 ** 2 ? ["KiB", bytes / 1024] : ["MiB", bytes / 1024 ** 2];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** A time of day today, a date and time otherwise. */
export function moment(iso: string, now = new Date()): string {
  const at = new Date(iso);
  const time = at.toLocaleTimeString("en-GB");
  if (at.toDateString() === now.toDateString()) return time;
  return `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" })}, ${time}`;
}

export function secondsBetween(from: string, to: string): number {
  return Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);
}

function ending({ status, reason, exit_code, signal }: Execution): string {
  if (status === "failed" && signal !== null) return `Killed by signal ${signal}${SIGNALS[signal] ? ` (${SIGNALS[signal]})` : ""}`;
  if (status === "succeeded" || status === "failed") return `${statusLabel(status)} with exit code ${exit_code ?? 0}`;
  return reason && status !== "cancelled" ? `${statusLabel(status)}: ${reason}` : statusLabel(status);
}

/** How a run ended and what it took, in words. */
export function summary(execution: Execution): string[] {
  const { wall_seconds, cpu_seconds, peak_memory_bytes } = execution;
  return [
    ending(execution),
    ...(wall_seconds === null ? [] : [`${duration(wall_seconds)} in all`]),
    ...(cpu_seconds === null ? [] : [`${duration(cpu_seconds)} of CPU`]),
    ...(peak_memory_bytes === null ? [] : [`${size(peak_memory_bytes)} peak memory`]),
  ];
}
