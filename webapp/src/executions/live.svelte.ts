import { sawPosition } from "../api/position";
import { asProblem, Problem } from "../api/problem";
import { LiveStream } from "../app/stream";
import { cancelExecution, readExecution, streamAddress, type Execution, type TimelineEvent } from "./execution";
import { Output, type Frame } from "./output.svelte";
import { StandardInput } from "./standard-input.svelte";
import { isFinal, type Status } from "./status";

const LIFECYCLE = ["requested", "sandbox_created", "started", "input_given", "cancel_requested", "finished"];

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
  /** Given by somebody here; null where the run takes none. */
  input = $state.raw<StandardInput | null>(null);
  readonly takesInput = $derived(!isFinal(this.status) && this.input?.isOpen === true);
  readonly isOver = $derived(isFinal(this.status));
  readonly startedAt = $derived(this.timeline.find((event) => event.type === "started")?.at ?? null);
  readonly #stream: LiveStream;
  readonly #onend: (execution: Execution) => void;

  constructor(id: string, onend: (execution: Execution) => void = () => {}) {
    this.id = id;
    this.#onend = onend;
    // A stream that is opened anew starts from the beginning; what is known is dropped by position and frame number.
    this.#stream = new LiveStream(streamAddress(id), {
      on: {
        ...Object.fromEntries(LIFECYCLE.map((name) => [name, (event: TimelineEvent) => this.#lifecycle(event)])),
        output: ({ frames }: { frames: Frame[] }) => this.output.write(frames),
        result_stored: (execution: Execution) => this.#end(execution),
        problem: (problem: Problem) => this.#tell(problem),
        reset: () => this.#reset(),
      },
      check: () => readExecution(id),
      ongiveup: (problem) => (this.problem = problem),
    });
  }

  open(): void {
    this.problem = null;
    this.#stream.open();
  }

  /** The run takes input; so much of it was given before. */
  takeInput(offset: number): void {
    this.input = new StandardInput(this.id, offset);
  }

  close(): void {
    this.#stream.close();
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

  /** Output that cannot be read; all the rest of the run still comes. */
  #tell({ status, title, detail }: Pick<Problem, "status" | "title" | "detail">): void {
    this.problem = new Problem(status, title, detail);
  }
}
