import type { Answer } from "../api/answers";
import { answer, client, fromPage } from "../api/client";

export type Account = { id: string; username: string; role: string };
export type Credentials = { username: string; password: string };

const params = { header: fromPage };

function accountOf({ id, username, role }: Answer<"/api/v1/auth/me">): Account | null {
  return id && username && role ? { id, username, role } : null;
}

/** Who is logged in. `undefined` until the server has said so. */
class Session {
  account = $state.raw<Account | null | undefined>(undefined);
  hasExpired = $state(false);

  async load(): Promise<void> {
    this.account = accountOf(await answer(client.GET("/api/v1/auth/me")));
  }

  async login(body: Credentials): Promise<void> {
    this.#begin(await answer(client.POST("/api/v1/auth/login", { params, body })));
  }

  async register(body: Credentials): Promise<void> {
    this.#begin(await answer(client.POST("/api/v1/auth/register", { params, body })));
  }

  async logout(): Promise<void> {
    await answer(client.POST("/api/v1/auth/logout", { params }));
    this.account = null;
  }

  /** The server no longer knows this session. */
  expire(): void {
    if (!this.account) return;
    this.account = null;
    this.hasExpired = true;
  }

  #begin({ id, username, role }: Account): void {
    this.account = { id, username, role };
    this.hasExpired = false;
  }
}

export const session = new Session();

client.use({
  onResponse({ response, schemaPath }) {
    if (response.status === 401 && schemaPath !== "/api/v1/auth/login") session.expire();
  },
});
