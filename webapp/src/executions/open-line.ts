import type { Piece } from "./output.svelte";
import type { Style } from "./style";

/** Text of one stream in one style. */
export interface Run extends Piece {
  style: Style;
}

/** The last line of an output, of which a carriage return or a backspace lets the script write over what is there. */
export class OpenLine {
  #runs: Run[] = [];
  /** The same by character, from the first time on that something is written over. */
  #cells: Run[] | null = null;
  /** Where the next character goes; null is the end. */
  #column: number | null = null;
  #length = 0;

  /** In characters, about. */
  get length(): number {
    return this.#cells?.length ?? this.#length;
  }

  get runs(): Run[] {
    return this.#cells ? joined(this.#cells) : this.#runs;
  }

  print(run: Run): void {
    if (this.#column !== null) return this.#printOver(run);
    append(this.#runs, run);
    this.#length += run.text.length;
  }

  return(): void {
    this.#column = 0;
  }

  back(): void {
    this.#column = Math.max(0, (this.#column ?? this.#split().length) - 1);
  }

  eraseRight(): void {
    if (this.#column !== null) this.#split().length = Math.min(this.#column, this.#split().length);
  }

  erase(): void {
    this.#cells = [];
    this.#column = 0;
  }

  #printOver(run: Run): void {
    const cells = this.#split();
    for (const text of run.text) cells[this.#column!++] = { ...run, text };
  }

  #split(): Run[] {
    this.#cells ??= this.#runs.flatMap((run) => Array.from(run.text, (text) => ({ ...run, text })));
    return this.#cells;
  }
}

/** Adds a run, to the last one if it looks the same. */
export function append(runs: Run[], run: Run): void {
  const last = runs.at(-1);
  if (last?.stream === run.stream && last.style === run.style) last.text += run.text;
  else runs.push({ ...run });
}

function joined(cells: Run[]): Run[] {
  const runs: Run[] = [];
  for (const cell of cells) append(runs, cell);
  return runs;
}
