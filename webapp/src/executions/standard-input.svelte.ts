import { asProblem, type Problem } from "../api/problem";
import { giveInput, readExecution } from "./execution";

const TRIES = 4;

/** What somebody here gives a run to read while it goes on: in order, and once, whatever is sent again. */
export class StandardInput {
  isOpen = $state(true);
  problem = $state.raw<Problem | null>(null);
  readonly #id: string;
  #offset: number;
  #sent: Promise<unknown> = Promise.resolve();

  /** `offset`: how much the run was given before. */
  constructor(id: string, offset: number) {
    this.#id = id;
    this.#offset = offset;
  }

  /** Whether it was taken; if not, `problem` says why. */
  async give(text: string, isLast: boolean): Promise<boolean> {
    const given = this.#sent.then(() => this.#give(text, isLast));
    this.#sent = given;
    return given;
  }

  async #give(text: string, isLast: boolean): Promise<boolean> {
    this.problem = null;
    try {
      await this.#place(text, isLast);
      if (isLast) this.isOpen = false;
      return true;
    } catch (error) {
      this.problem = asProblem(error);
      return false;
    }
  }

  async #place(text: string, isLast: boolean): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        this.#offset = await giveInput(this.#id, text, isLast, this.#offset);
        return;
      } catch (error) {
        if (tries === TRIES || asProblem(error).status !== 409) throw error;
        // Somebody else has given something, from another page or command.
        const now = await readExecution(this.#id);
        this.isOpen = now.stdin_open;
        if (!now.stdin_open) throw error;
        this.#offset = now.stdin_offset;
      }
    }
  }
}
