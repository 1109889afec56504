import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import {
  bracketMatching,
  foldGutter,
  indentOnInput,
  indentUnit,
  StreamLanguage,
  syntaxHighlighting,
} from "@codemirror/language";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, type Extension } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers } from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";

const languages: Record<string, () => Promise<Extension>> = {
  python: async () => [(await import("@codemirror/lang-python")).python(), indentUnit.of("    ")],
  node: async () => (await import("@codemirror/lang-javascript")).javascript(),
  go: async () => [(await import("@codemirror/lang-go")).go(), indentUnit.of("\t")],
  ruby: async () => StreamLanguage.define((await import("@codemirror/legacy-modes/mode/ruby")).ruby),
  bash: async () => StreamLanguage.define((await import("@codemirror/legacy-modes/mode/shell")).shell),
};

const behaviour: Extension = [
  lineNumbers(),
  foldGutter(),
  highlightActiveLineGutter(),
  highlightActiveLine(),
  highlightSelectionMatches(),
  history(),
  drawSelection(),
  indentOnInput(),
  bracketMatching(),
  closeBrackets(),
  autocompletion(),
  syntaxHighlighting(classHighlighter),
  EditorView.lineWrapping,
  keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...completionKeymap, indentWithTab]),
];

export interface EditorOptions {
  parent: HTMLElement;
  text: string;
  language: string;
  attributes: Record<string, string>;
  onchange: (text: string) => void;
}

/** The editor of a script. */
export class ScriptEditor {
  readonly #view: EditorView;
  readonly #language = new Compartment();
  #wanted = "";

  constructor({ parent, text, language, attributes, onchange }: EditorOptions) {
    const changes = EditorView.updateListener.of((update) => {
      if (update.docChanged) onchange(update.state.doc.toString());
    });
    const extensions = [behaviour, this.#language.of([]), EditorView.contentAttributes.of(attributes), changes];
    this.#view = new EditorView({ parent, state: EditorState.create({ doc: text, extensions }) });
    void this.speak(language);
  }

  /** Shows another text, unless it is the one already there. */
  show(text: string): void {
    if (this.#view.state.doc.toString() === text) return;
    this.#view.dispatch({ changes: { from: 0, to: this.#view.state.doc.length, insert: text } });
  }

  async speak(language: string): Promise<void> {
    if (language === this.#wanted) return;
    this.#wanted = language;
    // A grammar that cannot be fetched leaves plain text.
    const grammar = (await languages[language]?.().catch(() => [])) ?? [];
    // A slow download must not overrule a later choice.
    if (language === this.#wanted) this.#view.dispatch({ effects: this.#language.reconfigure(grammar) });
  }

  destroy(): void {
    this.#view.destroy();
  }
}
