import { answer, client, fromPage } from "../api/client";
import { idempotencyKey } from "../api/idempotency";
import { sawPosition } from "../api/position";
import { asProblem, Problem } from "../api/problem";
import { retried } from "../api/retry";
import type { ExecutionDetail } from "../executions/execution";
import { LiveExecution } from "../executions/live.svelte";
import { Catalogue, type Limits, type Runtime } from "../runtimes/catalogue.svelte";
import { readDraft, writeDraft, type Variable } from "./draft";
import { typed, wishes, type LimitTexts } from "./limits";

/** The script being written and its last run. It outlives a visit to another screen. */
export class Workbench {
  readonly catalogue = new Catalogue();
  language = $state("");
  version = $state("");
  stdin = $state("");
  /** Whether more is typed while the script runs. */
  isStdinOpen = $state(false);
  variables = $state<Variable[]>([]);
  network = $state(false);
  limits = $state<LimitTexts>({});
  #scripts = $state<Record<string, string>>({});
  run = $state.raw<LiveExecution | null>(null);
  isSubmitting = $state(false);
  problem = $state.raw<Problem | null>(null);
  readonly runtime = $derived(this.catalogue.find(this.language, this.version));

  readonly #owner: string;

  constructor(owner: string) {
    this.#owner = owner;
    const draft = readDraft(owner);
    if (draft) {
      this.language = draft.language;
      this.version = draft.version;
      this.stdin = draft.stdin;
      this.isStdinOpen = draft.isStdinOpen;
      this.variables = draft.variables ?? [];
      this.limits = draft.limits ?? {};
      this.#scripts = draft.scripts;
    }
    void this.load();
  }

  async load(): Promise<void> {
    await this.catalogue.load();
    const runtime = this.runtime?.is_available ? this.runtime : this.catalogue.first;
    if (runtime) this.choose(runtime);
  }

  get script(): string {
    return this.#scripts[this.language] ?? this.runtime?.example ?? "";
  }

  set script(text: string) {
    this.#scripts[this.language] = text;
    this.keep();
  }

  choose({ language, version }: Runtime): void {
    this.language = language;
    this.version = version;
    this.keep();
  }

  /** Takes over what an earlier run was made of. */
  open({ language, version, script, stdin, env, network, limits }: ExecutionDetail): void {
    this.language = language;
    this.version = version;
    this.stdin = stdin ?? "";
    this.variables = Object.entries(env).map(([name, value]) => ({ name, value }));
    this.network = network;
    this.limits = typed(limits as Limits, this.catalogue.limits?.defaults);
    this.script = script;
  }

  keep(): void {
    const { language, version, stdin, isStdinOpen, variables, limits } = this;
    const others = $state.snapshot({ variables, limits, scripts: this.#scripts });
    writeDraft({ owner: this.#owner, language, version, stdin, isStdinOpen, ...others });
  }

  async start(): Promise<void> {
    if (this.isSubmitting || !this.runtime) return;
    this.isSubmitting = true;
    this.problem = null;
    try {
      const takesInput = this.isStdinOpen;
      this.#watch(await this.#submit());
      if (takesInput) this.run?.takeInput(0);
    } catch (error) {
      this.problem = asProblem(error);
    } finally {
      this.isSubmitting = false;
    }
  }

  close(): void {
    this.run?.close();
  }

  async #submit(): Promise<string> {
    const params = { header: { ...fromPage, "Idempotency-Key": idempotencyKey() } };
    const { language, version, script, stdin, isStdinOpen } = this;
    const env = environment(this.variables);
    const limits = wishes(this.limits);
    const network = this.network && this.catalogue.networkHosts.length > 0;
    const body = {
      ...{ language, version, script, network },
      ...(stdin ? { stdin } : {}),
      ...(isStdinOpen ? { stdin_open: true } : {}),
      ...(env ? { env } : {}),
      ...(limits ? { limits } : {}),
    };
    const accepted = await retried(() => answer(client.POST("/api/v1/execute", { params, body })));
    sawPosition(accepted.position);
    return accepted.execution_id;
  }

  #watch(id: string): void {
    this.run?.close();
    this.run = new LiveExecution(id);
    this.run.open();
  }
}

/** By name; rows that nobody has filled in are left out, and two of one name cannot be sent. */
function environment(variables: Variable[]): Record<string, string> | null {
  const given = variables.filter(({ name, value }) => name || value);
  const twice = given.find(({ name }, row) => given.findIndex((other) => other.name === name) !== row);
  if (twice) {
    const detail = `'${twice.name}' is there twice.`;
    throw new Problem(-1, "The variables are not right", detail, [{ field: "env", detail }]);
  }
  return given.length > 0 ? Object.fromEntries(given.map(({ name, value }) => [name, value])) : null;
}
