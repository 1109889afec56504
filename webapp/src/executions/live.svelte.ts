import { sawPosition } from "../api/position";
import { asProblem, Problem } from "../api/problem";
import { connection } from "../app/connection.svelte";
import { cancelExecution, readExecution, streamAddress, type Execution, type TimelineEvent } from "./execution";
import { Output, type Frame } from "./output.svelte";
import { isFinal, type Status } from "./status";

const LIFECYCLE = ["requested", "sandbox_created", "started", "cancel_requested", "finished"];
const REOPEN_MS = [500, 1000, 2000, 5000, 10_000];

/** One run as its stream tells it, from its first event to its stored result. */
export class LiveExecution {
  readonly id: string;
  readonly output = new Output();
  status = $state<Status>("queued");
  timeline = $state.raw<TimelineEvent[]>([]);
  result = $state.raw<Execution | null>(null);
  isCancelling = $state(false);
  /** Why the stream was given up, or what of it cannot be shown. */
  problem = $state.raw<Problem | null>(null);
  cancelProblem = $state.raw<Problem | null>(null);
  readonly isOver = $derived(isFinal(this.status));
  readonly startedAt = $derived(this.timeline.find((event) => event.type === "started")?.at ?? null);
  #source: EventSource | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;

  readonly #onend: (execution: Execution) => void;

  constructor(id: string, onend: (execution: Execution) => void = () => {}) {
    this.id = id;
    this.#onend = onend;
  }

  open(): void {
    this.problem = null;
    const source = new EventSource(streamAddress(this.id));
    this.#source = source;
    for (const name of LIFECYCLE) source.addEventListener(name, (message) => this.#lifecycle(JSON.parse(message.data)));
    source.addEventListener("output", (message) => this.output.write((JSON.parse(message.data) as { frames: Frame[] }).frames));
    source.addEventListener("result_stored", (message) => this.#end(JSON.parse(message.data)));
    source.addEventListener("problem", (message) => this.#tell(JSON.parse(message.data)));
    source.addEventListener("reset", () => this.#reset());
    source.addEventListener("open", () => this.#connected());
    source.addEventListener("error", () => this.#interrupted(source));
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#source?.close();
    connection.back(this);
  }

  async cancel(): Promise<void> {
    this.isCancelling = true;
    this.cancelProblem = null;
    try {
      await cancelExecution(this.id);
    } catch (error) {
      this.isCancelling = false;
      this.cancelProblem = asProblem(error);
    }
  }

  #lifecycle(event: TimelineEvent): void {
    const isKnown = this.timeline.some((known) => known.position === event.position);
    if (isKnown) return;
    sawPosition(event.position);
    this.timeline = [...this.timeline, event];
    if (event.status) this.status = event.status;
  }

  #end(execution: Execution): void {
    sawPosition(execution.position);
    this.output.finish();
    this.status = execution.status;
    this.result = execution;
    this.close();
    this.#onend(execution);
  }

  #reset(): void {
    this.output.clear();
    this.timeline = [];
    this.status = "queued";
  }

  #connected(): void {
    this.#failures = 0;
    connection.back(this);
  }

  // The browser reconnects by itself after a broken connection, and gives up after an answer that is no stream.
  #interrupted(source: EventSource): void {
    connection.lost(this);
    if (source.readyState === EventSource.CLOSED) void this.#recover();
  }

  async #recover(): Promise<void> {
    try {
      await readExecution(this.id);
    } catch (error) {
      const problem = asProblem(error);
      if (!problem.isUnreachable) return this.#giveUp(problem);
    }
    // A new stream starts from the beginning; what is known already is dropped by position and frame number.
    const delay = REOPEN_MS[Math.min(this.#failures++, REOPEN_MS.length - 1)];
    this.#timer = setTimeout(() => this.open(), delay);
  }

  /** Output that cannot be read; all the rest of the run still comes. */
  #tell({ status, title, detail }: Pick<Problem, "status" | "title" | "detail">): void {
    this.problem = new Problem(status, title, detail);
  }

  #giveUp(problem: Problem): void {
    this.problem = problem;
    this.close();
  }
}
