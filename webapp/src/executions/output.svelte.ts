import type { Stream } from "./execution";

/** What a message carries: the frame's number, 1 for stdout or 2 for stderr, and its bytes as base64. */
export type Frame = [number: number, stream: 1 | 2, base64: string];

export interface Piece {
  stream: Stream;
  text: string;
}

/** Implemented by what shows the output. */
export interface OutputListener {
  append(piece: Piece): void;
  clear(): void;
}

/** Characters kept for the screen; the whole output is a download. */
export const KEPT_CHARACTERS = 1_000_000;

// Trimming a little at a time would move the whole list for every frame.
const TRIM_AT = KEPT_CHARACTERS * 1.2;

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

// Each stream has its own decoder: a character may be split between two frames of one stream.
function decoders(): Record<Stream, TextDecoder> {
  return { stdout: new TextDecoder("utf-8", { ignoreBOM: true }), stderr: new TextDecoder("utf-8", { ignoreBOM: true }) };
}

/** The end of a run's output as text, in the order in which it was written. */
export class Output {
  pieces: Piece[] = [];
  bytes = $state<Record<Stream, number>>({ stdout: 0, stderr: 0 });
  isTrimmed = $state(false);
  #characters = 0;
  #lastFrame = 0;
  #decoders = decoders();
  #listeners = new Set<OutputListener>();

  /** Takes frames in ascending order; those seen before are dropped. */
  write(frames: Frame[]): void {
    for (const [number, source, base64] of frames) {
      if (number <= this.#lastFrame) continue;
      this.#lastFrame = number;
      const stream = source === 2 ? "stderr" : "stdout";
      const bytes = bytesOf(base64);
      this.bytes[stream] += bytes.length;
      this.#append(stream, this.#decoders[stream].decode(bytes, { stream: true }));
    }
  }

  /** Nothing follows: what is left of a split character becomes a replacement character. */
  finish(): void {
    for (const stream of ["stdout", "stderr"] as const) this.#append(stream, this.#decoders[stream].decode());
  }

  clear(): void {
    this.pieces = [];
    this.bytes = { stdout: 0, stderr: 0 };
    this.isTrimmed = false;
    this.#characters = 0;
    this.#lastFrame = 0;
    this.#decoders = decoders();
    for (const listener of this.#listeners) listener.clear();
  }

  /** Hands over what is there and then everything that comes. Returns how to stop. */
  listen(listener: OutputListener): () => void {
    for (const piece of this.pieces) listener.append(piece);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #append(stream: Stream, text: string): void {
    if (text === "") return;
    const piece = { stream, text };
    this.pieces.push(piece);
    this.#characters += text.length;
    if (this.#characters > TRIM_AT) this.#trim();
    for (const listener of this.#listeners) listener.append(piece);
  }

  #trim(): void {
    let count = 0;
    while (this.#characters > KEPT_CHARACTERS && count < this.pieces.length - 1) {
      this.#characters -= this.pieces[count++]!.text.length;
    }
    this.pieces.splice(0, count);
    this.isTrimmed = true;
  }
}
