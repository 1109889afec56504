export type Route = { screen: "editor" } | { screen: "runs"; id: string | null } | { screen: "unknown" };

export function parse(hash: string): Route {
  const [screen = "", id, ...rest] = hash.replace(/^#?\/?/, "").split("/");
  if (rest.length > 0) return { screen: "unknown" };
  if (screen === "" && !id) return { screen: "editor" };
  if (screen === "runs") return { screen: "runs", id: id ? decodeURIComponent(id) : null };
  return { screen: "unknown" };
}

export const paths = {
  editor: "#/",
  runs: "#/runs",
  run: (id: string) => `#/runs/${encodeURIComponent(id)}`,
};

/** Where the page stands, from the address behind `#`. */
class Location {
  route = $state.raw<Route>(parse(location.hash));

  constructor() {
    addEventListener("hashchange", () => (this.route = parse(location.hash)));
  }
}

export const here = new Location();

/** Goes to a path of this page. The screen has changed with the next tick, not only with the browser's event. */
export function go(path: string): void {
  location.hash = path;
  here.route = parse(path);
}
