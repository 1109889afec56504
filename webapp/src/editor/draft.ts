/** What a person has typed and not saved: one script per language, kept in this tab until the logout. */
export interface Draft {
  language: string;
  version: string;
  scripts: Record<string, string>;
  stdin: string;
}

const KEY = "runledger.draft";

export function readDraft(): Draft | null {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "null") as Draft | null;
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
