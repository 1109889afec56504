import AnsiParser from "node-ansiparser";
import type { Stream } from "./execution";
import { append, OpenLine, type Run } from "./open-line";
import type { Piece } from "./output.svelte";
import { PLAIN, styled, type Style } from "./style";

// What is longer is as good as ended by a line break.
const LONGEST_LINE = 4_000;
// A sequence that does not end would grow with the output.
const LONGEST_SEQUENCE = 64;

/**
 * Text with control sequences (ECMA-48) as text with styles: colours and the like are understood, what writes over the line
 * (carriage return, backspace, erase in line) is done, and all else is left out. Each stream has its own style, and the
 * sequences of one are not broken by the other.
 */
export class Terminal {
  readonly #screens: Record<Stream, { parser: AnsiParser; style: Style }> = {
    stdout: { parser: this.#parser("stdout"), style: PLAIN },
    stderr: { parser: this.#parser("stderr"), style: PLAIN },
  };
  #stream: Stream = "stdout";
  #line = new OpenLine();
  #settled: Run[] = [];

  /** Takes what was written; what cannot change any more by now. */
  write({ stream, text }: Piece): Run[] {
    if (stream !== this.#stream) this.#settle();
    this.#stream = stream;
    const { parser } = this.#screens[stream];
    parser.parse(text);
    bound(parser);
    if (this.#line.length > LONGEST_LINE) this.#settle();
    const settled = this.#settled;
    this.#settled = [];
    return settled;
  }

  /** What follows it and may still be written over. */
  get open(): Run[] {
    return this.#line.runs;
  }

  #parser(stream: Stream): AnsiParser {
    return new AnsiParser({
      inst_p: (text) => this.#line.print({ stream, style: this.#screens[stream].style, text }),
      inst_x: (control) => this.#control(stream, control),
      inst_c: (collected, params, final) => {
        if (collected === "") this.#sequence(stream, params, final);
      },
    });
  }

  #control(stream: Stream, control: string): void {
    const { style } = this.#screens[stream];
    switch (control) {
      case "\t":
        return this.#line.print({ stream, style, text: control });
      case "\n":
      case "\v":
      case "\f":
        this.#settle();
        return append(this.#settled, { stream, style, text: "\n" });
      case "\r":
        return this.#line.return();
      case "\b":
        return this.#line.back();
    }
  }

  #sequence(stream: Stream, params: number[], final: string): void {
    const screen = this.#screens[stream];
    if (final === "m") screen.style = styled(screen.style, params);
    if (final === "K" && params[0] === 0) this.#line.eraseRight();
    if (final === "K" && params[0] === 2) this.#line.erase();
  }

  #settle(): void {
    for (const run of this.#line.runs) append(this.#settled, run);
    this.#line = new OpenLine();
  }
}

function bound(parser: AnsiParser): void {
  parser.osc = "";
  parser.params.length = Math.min(parser.params.length, LONGEST_SEQUENCE);
  parser.collected = parser.collected.slice(0, LONGEST_SEQUENCE);
}
