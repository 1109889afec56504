export interface FieldProblem {
  field: string;
  detail: string;
}

/** A request that was not done, in the words of the server (RFC 9457) or, with status 0, of this page. */
export class Problem extends Error {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly errors: readonly FieldProblem[];

  constructor(status: number, title: string, detail: string, errors: readonly FieldProblem[] = []) {
    super(detail || title);
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.errors = errors;
  }

  /** Nobody answered: the same request may be sent again. */
  get isUnreachable(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 503;
  }

  /** The same request may succeed later. */
  get mayPass(): boolean {
    return this.status <= 0 || this.status === 429 || this.status >= 500;
  }

  detailOf(field: string): string | undefined {
    return this.errors.find((error) => error.field === field)?.detail;
  }
}

export async function problemOf(response: Response): Promise<Problem> {
  const body: Partial<Problem> = await response.json().catch(() => ({}));
  return new Problem(
    response.status,
    body.title ?? `Error ${response.status}`,
    body.detail ?? `The server answered with status ${response.status}.`,
    body.errors ?? [],
  );
}

export function unreachable(): Problem {
  return new Problem(0, "Not connected", "The server cannot be reached. Check the connection and try again.");
}

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(-1, "Unexpected error", error instanceof Error ? error.message : String(error));
}
