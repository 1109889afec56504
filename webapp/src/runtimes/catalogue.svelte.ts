import type { Answer } from "../api/answers";
import { answer, client } from "../api/client";
import { asProblem, type Problem } from "../api/problem";

type Bounds = Answer<"/api/v1/k8s-limits">;

/** What a run may use. An answer has them all; the document has them optional, since a request may leave them out. */
export type Limits = Required<Bounds["defaults"]>;

export type Runtime = Answer<"/api/v1/runtimes">["runtimes"][number];

const NAMES: Record<string, string> = { python: "Python", node: "Node.js", ruby: "Ruby", bash: "Bash", go: "Go" };

export function languageName(language: string): string {
  return NAMES[language] ?? language;
}

export function nameOf({ language, version }: Runtime): string {
  return `${languageName(language)} ${version}`;
}

/** The languages the server can run, within which limits, and the hosts that scripts may reach. */
export class Catalogue {
  runtimes = $state.raw<Runtime[]>([]);
  /** Of a run where nothing else is asked for, and at most; null until it is known. */
  limits = $state.raw<{ defaults: Limits; ceilings: Limits } | null>(null);
  networkHosts = $state.raw<readonly string[]>([]);
  isLoading = $state(false);
  problem = $state.raw<Problem | null>(null);

  async load(): Promise<void> {
    this.isLoading = true;
    this.problem = null;
    try {
      const [{ runtimes }, { defaults, ceilings, network_hosts }] = await Promise.all([
        answer(client.GET("/api/v1/runtimes")),
        answer(client.GET("/api/v1/k8s-limits")),
      ]);
      this.runtimes = runtimes;
      this.limits = { defaults: defaults as Limits, ceilings: ceilings as Limits };
      this.networkHosts = network_hosts;
    } catch (error) {
      this.problem = asProblem(error);
    } finally {
      this.isLoading = false;
    }
  }

  find(language: string, version: string): Runtime | undefined {
    return this.runtimes.find((runtime) => runtime.language === language && runtime.version === version);
  }

  get first(): Runtime | undefined {
    return this.runtimes.find((runtime) => runtime.is_available);
  }
}
