import { asProblem, type Problem } from "../api/problem";
import { readExecutions, type Execution, type ExecutionItem } from "./execution";
import { isFinal } from "./status";

const PAGE = 30;

/** The person's runs, newest first, as many pages as were asked for. */
export class History {
  items = $state.raw<ExecutionItem[]>([]);
  #next = $state<string | null>(null);
  isLoading = $state(false);
  hasLoaded = $state(false);
  problem = $state.raw<Problem | null>(null);
  readonly hasMore = $derived(this.#next !== null);
  readonly hasOpenRuns = $derived(this.items.some((item) => !isFinal(item.status)));

  /** Reads the newest runs; older ones that were read before stay. */
  async refresh(): Promise<void> {
    await this.#read(null);
  }

  async more(): Promise<void> {
    await this.#read(this.#next);
  }

  /** Takes over a newer state of one run. */
  update(execution: Execution): void {
    this.items = this.items.map((item) => (item.id === execution.id ? { ...item, ...execution } : item));
  }

  async #read(cursor: string | null): Promise<void> {
    if (this.isLoading) return;
    this.isLoading = true;
    this.problem = null;
    try {
      const page = await readExecutions(cursor, PAGE);
      const older = without(this.items, page.items);
      // Pages that do not overlap leave a gap between them: start again from the newest.
      const isGapless = cursor !== null || older.length < this.items.length;
      if (cursor || !isGapless) this.#next = page.next;
      if (cursor) this.items = [...older, ...page.items];
      else this.items = isGapless ? [...page.items, ...older] : page.items;
      this.hasLoaded = true;
    } catch (error) {
      this.problem = asProblem(error);
    } finally {
      this.isLoading = false;
    }
  }
}

function without(items: ExecutionItem[], others: ExecutionItem[]): ExecutionItem[] {
  const ids = new Set(others.map((item) => item.id));
  return items.filter((item) => !ids.has(item.id));
}
