import createClient, { type Middleware } from "openapi-fetch";
import { problemOf, unreachable } from "./problem";
import type { paths } from "./schema";

const problems: Middleware = {
  async onResponse({ response }) {
    if (!response.ok) throw await problemOf(response);
  },
  onError({ error }) {
    // fetch rejects with a TypeError when nobody answers.
    return error instanceof TypeError ? unreachable() : undefined;
  },
};

export const client = createClient<paths>({ headers: { "Content-Type": "application/json" } });
client.use(problems);

/** Another site cannot set this header: it tells the server that a change is asked for by this page. */
export const fromPage = { "X-Requested-With": "runledger" } as const;

/** The body of a successful answer. Throws a `Problem` for every other. */
export async function answer<T>(call: Promise<{ data?: T }>): Promise<T> {
  return (await call).data as T;
}
