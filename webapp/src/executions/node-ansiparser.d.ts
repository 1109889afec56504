declare module "node-ansiparser" {
  /** What the parser calls; what is left out is passed over. */
  interface Terminal {
    /** Text. */
    inst_p?(text: string): void;
    /** A control character. */
    inst_x?(control: string): void;
    /** A control sequence (CSI), with what stands before and after its numbers. */
    inst_c?(collected: string, params: number[], final: string): void;
  }

  /** Goes on with the next text where the last one ended, be it in a sequence. */
  export default class AnsiParser {
    constructor(terminal: Terminal);
    /** What is there of a sequence that has not ended. */
    params: number[];
    collected: string;
    osc: string;
    parse(text: string): void;
  }
}
