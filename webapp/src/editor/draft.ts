import type { LimitTexts } from "./limits";

/** What a script finds in its environment. */
export interface Variable {
  name: string;
  value: string;
}

/** What a person has typed and not saved: one script per language, kept in this tab until the logout. */
export interface Draft {
  owner: string;
  language: string;
  version: string;
  scripts: Record<string, string>;
  stdin: string;
  isStdinOpen: boolean;
  variables: Variable[];
  limits: LimitTexts;
}

const KEY = "runledger.draft";

export function readDraft(owner: string): Draft | null {
  try {
    const draft = JSON.parse(sessionStorage.getItem(KEY) ?? "null") as Draft | null;
    return draft?.owner === owner ? draft : null;
  } catch {
    return null;
  }
}

export function writeDraft(draft: Draft): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(draft));
  } catch {
    // Over the browser's quota: the draft lives on in memory only.
  }
}

export function forgetDraft(): void {
  sessionStorage.removeItem(KEY);
}
