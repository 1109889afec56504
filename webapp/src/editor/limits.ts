import { Problem } from "../api/problem";
import type { Limits } from "../runtimes/catalogue.svelte";

type Limit = keyof Limits;

/** What somebody typed, each in the unit of its field; what is left empty is the server's default. */
export type LimitTexts = Partial<Record<Limit, string>>;

interface Field {
  name: Limit;
  label: string;
  unit: string;
  /** How much of what the server counts in one unit is. */
  scale: number;
}

const MEBIBYTE = 1024 ** 2;

export const FIELDS: readonly Field[] = [
  { name: "wall_seconds", label: "Time", unit: "s", scale: 1 },
  { name: "cpus", label: "CPU", unit: "cores", scale: 1 },
  { name: "memory_bytes", label: "Memory", unit: "MiB", scale: MEBIBYTE },
  { name: "disk_bytes", label: "Disk", unit: "MiB", scale: MEBIBYTE },
  { name: "output_bytes", label: "Output", unit: "MiB", scale: MEBIBYTE },
  { name: "pids", label: "Processes", unit: "", scale: 1 },
];

/** What the server says of this field. */
export function problemAt({ name }: Field, problem: Problem | null): string | undefined {
  return problem?.detailOf(`limits.${name}`);
}

/** A limit in the unit of its field. */
export function shownAs({ name, scale }: Field, limits: Limits): string {
  return String(limits[name] / scale);
}

/** What has to be typed for these limits. */
export function typed(limits: Limits, defaults: Limits | undefined): LimitTexts {
  const others = FIELDS.filter(({ name }) => limits[name] !== defaults?.[name]);
  return Object.fromEntries(others.map((field) => [field.name, shownAs(field, limits)]));
}

/** What is asked of the server; null where nothing is. Throws a `Problem` for what is no number. */
export function wishes(texts: LimitTexts): Partial<Limits> | null {
  const filled = FIELDS.filter(({ name }) => texts[name]?.trim());
  if (filled.length === 0) return null;
  return Object.fromEntries(filled.map((field) => [field.name, valueOf(field, texts[field.name]!)]));
}

function valueOf(field: Field, text: string): number {
  const value = Number(text) * field.scale;
  // JSON has no word for these, and would ask for the default.
  if (!Number.isFinite(value)) {
    const detail = `'${text}' is not a number.`;
    throw new Problem(-1, "A limit is not right", detail, [{ field: `limits.${field.name}`, detail }]);
  }
  return field.scale === 1 ? value : Math.round(value);
}
