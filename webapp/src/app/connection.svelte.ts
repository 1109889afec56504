import { SvelteSet } from "svelte/reactivity";

/** Whether the page hears the server: the browser's word, and that of every open stream. */
class Connection {
  isOnline = $state(navigator.onLine);
  #lost = new SvelteSet<object>();

  constructor() {
    addEventListener("online", () => (this.isOnline = true));
    addEventListener("offline", () => (this.isOnline = false));
  }

  get isReconnecting(): boolean {
    return this.#lost.size > 0;
  }

  lost(stream: object): void {
    this.#lost.add(stream);
  }

  back(stream: object): void {
    this.#lost.delete(stream);
  }
}

export const connection = new Connection();
