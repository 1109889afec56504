import { connection } from "./connection.svelte";
import { asProblem, type Problem } from "../api/problem";

const REOPEN_MS = [500, 1000, 2000, 5000, 10_000];

export interface Follower {
  /** What to do with the data of each type of message. */
  on: Record<string, (data: never) => void>;
  /** Asks in another way whether there is anything to follow. Rejects with the problem if not. */
  check: () => Promise<unknown>;
  ongiveup: (problem: Problem) => void;
}

/** A stream of the server's that comes back by itself, as long as there is something to follow. */
export class LiveStream {
  readonly #address: string;
  readonly #follower: Follower;
  #source: EventSource | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;

  constructor(address: string, follower: Follower) {
    this.#address = address;
    this.#follower = follower;
  }

  open(): void {
    const source = new EventSource(this.#address);
    this.#source = source;
    for (const [name, take] of Object.entries(this.#follower.on)) {
      source.addEventListener(name, (message) => take(JSON.parse(message.data) as never));
    }
    source.addEventListener("open", () => this.#connected());
    source.addEventListener("error", () => this.#interrupted(source));
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
    connection.back(this);
  }

  #connected(): void {
    this.#failures = 0;
    connection.back(this);
  }

  // The browser reconnects by itself after a broken connection, and gives up after an answer that is no stream.
  #interrupted(source: EventSource): void {
    connection.lost(this);
    if (source.readyState === EventSource.CLOSED) void this.#recover(source);
  }

  async #recover(source: EventSource): Promise<void> {
    try {
      await this.#follower.check();
    } catch (error) {
      const problem = asProblem(error);
      if (!problem.isUnreachable) {
        this.close();
        return this.#follower.ongiveup(problem);
      }
    }
    if (this.#source !== source) return;
    // A new stream does not know what the one before has brought.
    const delay = REOPEN_MS[Math.min(this.#failures++, REOPEN_MS.length - 1)];
    this.#timer = setTimeout(() => this.open(), delay);
  }
}
