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

/** The typed client. Another site cannot set this header, so the server takes it as proof that the page asks. */
export const client = createClient<paths>({
  headers: { "Content-Type": "application/json", "X-Requested-With": "runledger" },
});
client.use(problems);

/** The body of a successful answer. Throws a `Problem` for every other. */
export async function answer<T>(call: Promise<{ data?: T }>): Promise<T> {
  return (await call).data as T;
}
