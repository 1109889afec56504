type Choice = "light" | "dark";

const KEY = "runledger.theme";
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

/** The colours of the page: the system's, until the person chooses the other ones. */
class Theme {
  #system = $state<Choice>(prefersDark.matches ? "dark" : "light");
  #chosen = $state(localStorage.getItem(KEY) as Choice | null);
  readonly current = $derived(this.#chosen ?? this.#system);

  constructor() {
    prefersDark.addEventListener("change", (event) => {
      this.#system = event.matches ? "dark" : "light";
      this.apply();
    });
  }

  toggle(): void {
    const next = this.current === "dark" ? "light" : "dark";
    this.#chosen = next === this.#system ? null : next;
    if (this.#chosen) localStorage.setItem(KEY, this.#chosen);
    else localStorage.removeItem(KEY);
    this.apply();
  }

  apply(): void {
    document.documentElement.dataset.theme = this.current;
  }
}

export const theme = new Theme();
