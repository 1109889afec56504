import { asProblem, type Problem } from "../api/problem";
import { sawPosition } from "../api/position";
import { LiveStream } from "../app/stream";
import { MY_STREAM, readExecution, readExecutions, type Change, type Execution, type ExecutionItem } from "./execution";
import { isFinal } from "./status";

const PAGE = 30;

/** The person's runs, newest first, as many pages as were asked for, and how they go on wherever they were started. */
export class History {
  items = $state.raw<ExecutionItem[]>([]);
  #next = $state<string | null>(null);
  isLoading = $state(false);
  hasLoaded = $state(false);
  problem = $state.raw<Problem | null>(null);
  readonly hasMore = $derived(this.#next !== null);
  #isStale = false;
  readonly #stream = new LiveStream(MY_STREAM, {
    on: {
      start: ({ position }: { position: number }) => this.#begin(position),
      execution: (change: Change) => void this.#follow(change),
    },
    check: () => readExecutions(null, 1),
    ongiveup: (problem) => (this.problem = problem),
  });

  open(): void {
    this.#stream.open();
  }

  close(): void {
    this.#stream.close();
  }

  /** Reads the newest runs; older ones that were read before stay. */
  async refresh(): Promise<void> {
    if (this.isLoading) this.#isStale = true;
    else await this.#read(null);
  }

  async more(): Promise<void> {
    await this.#read(this.#next);
  }

  /** Takes over a newer state of one run. */
  update(execution: Execution): void {
    const isNewer = (item: ExecutionItem) => item.id === execution.id && execution.position >= item.position;
    this.items = this.items.map((item) => (isNewer(item) ? { ...item, ...execution } : item));
  }

  /** What happened before a stream that begins is read by query. */
  #begin(position: number): void {
    sawPosition(position);
    void this.refresh();
  }

  async #follow({ id, status, position }: Change): Promise<void> {
    sawPosition(position);
    const known = this.items.find((item) => item.id === id);
    if (!known) return this.refresh();
    this.update({ ...known, status, position });
    // How long it took is not in the message.
    if (isFinal(status)) await readExecution(id).then((run) => this.update(run), (error) => (this.problem = asProblem(error)));
  }

  async #read(cursor: string | null): Promise<void> {
    if (this.isLoading) return;
    this.isLoading = true;
    this.problem = null;
    try {
      const page = await readExecutions(cursor, PAGE);
      const read = this.#withNews(page.items);
      const older = without(this.items, read);
      // Pages that do not overlap leave a gap between them: start again from the newest.
      const isGapless = cursor !== null || older.length < this.items.length;
      if (cursor || !isGapless) this.#next = page.next;
      if (cursor) this.items = [...older, ...read];
      else this.items = isGapless ? [...read, ...older] : read;
      this.hasLoaded = true;
    } catch (error) {
      this.problem = asProblem(error);
    } finally {
      this.isLoading = false;
      if (this.#isStale) {
        this.#isStale = false;
        void this.refresh();
      }
    }
  }

  /** An answer may have been overtaken by what the stream told meanwhile. */
  #withNews(items: ExecutionItem[]): ExecutionItem[] {
    const known = new Map(this.items.map((item) => [item.id, item]));
    return items.map((item) => {
      const news = known.get(item.id);
      return news && news.position > item.position ? news : item;
    });
  }
}

function without(items: ExecutionItem[], others: ExecutionItem[]): ExecutionItem[] {
  const ids = new Set(others.map((item) => item.id));
  return items.filter((item) => !ids.has(item.id));
}
