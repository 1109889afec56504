import type { Stream } from "./execution";
import type { Run } from "./open-line";
import { KEPT_CHARACTERS, type OutputListener, type Piece } from "./output.svelte";
import { PLAIN, type Style } from "./style";
import { Terminal } from "./terminal";

// The text stands in blocks, so that an append costs the layout of the last block and not of the whole.
const BLOCK_CHARACTERS = 16_000;
// These last blocks fill the screen. The browser lays out those before them when they are scrolled to.
const LIVE_BLOCKS = 3;
// A line longer than this is broken between two blocks, so that no block grows without bound.
const LONGEST_BLOCK = 8 * BLOCK_CHARACTERS;
// An element costs the page as much as so many characters do.
const ELEMENT_CHARACTERS = 25;
const NEAR_END_PX = 32;

interface Block {
  element: HTMLElement;
  characters: number;
  isAtLineEnd: boolean;
}

/** Writes output into the page once per painted frame and follows its end while the reader is there. */
export class OutputView implements OutputListener {
  readonly #scroller: HTMLElement;
  readonly #content: HTMLElement;
  readonly #ontrim: () => void;
  readonly #open = document.createElement("span");
  #terminal = new Terminal();
  #pending: Run[] = [];
  #pendingCharacters = 0;
  #blocks: Block[] = [];
  #characters = 0;
  #isFollowing = true;
  #lastTop = 0;
  // More text makes the content taller; what appears around the output makes its window smaller.
  readonly #resizes = new ResizeObserver(() => this.#follow());
  #frame = 0;

  /** `ontrim` hears that what came first has made room. */
  constructor(scroller: HTMLElement, content: HTMLElement, ontrim: () => void) {
    this.#scroller = scroller;
    this.#content = content;
    this.#ontrim = ontrim;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#resizes.observe(scroller);
    this.#resizes.observe(content);
  }

  append(piece: Piece): void {
    for (const run of this.#terminal.write(piece)) {
      this.#pending.push(run);
      this.#pendingCharacters += weightOf(run);
    }
    this.#dropPending();
    this.#frame ||= requestAnimationFrame(() => this.#flush());
  }

  clear(): void {
    this.#terminal = new Terminal();
    this.#pending = [];
    this.#pendingCharacters = 0;
    this.#blocks = [];
    this.#characters = 0;
    this.#content.replaceChildren();
  }

  destroy(): void {
    cancelAnimationFrame(this.#frame);
    this.#resizes.disconnect();
  }

  // A hidden tab paints no frames while the output goes on.
  #dropPending(): void {
    if (this.#pendingCharacters < 2 * KEPT_CHARACTERS) return;
    let count = 0;
    while (this.#pendingCharacters > KEPT_CHARACTERS) this.#pendingCharacters -= weightOf(this.#pending[count++]!);
    this.#pending.splice(0, count);
    this.#ontrim();
  }

  #flush(): void {
    this.#frame = 0;
    this.#open.remove();
    for (const run of this.#pending) this.#write(run);
    this.#pending = [];
    this.#pendingCharacters = 0;
    this.#trim();
    this.#writeOpenLine();
  }

  // It is made anew each time, since all of it may have been written over.
  #writeOpenLine(): void {
    this.#open.replaceChildren();
    for (const run of this.#terminal.open) appendText(this.#open, run, run.text);
    this.#openBlock().element.append(this.#open);
  }

  #write(run: Run): void {
    let rest = run.text;
    while (rest !== "") {
      const block = this.#openBlock();
      const end = this.#endOfBlock(block, rest);
      const text = rest.slice(0, end);
      appendText(block.element, run, text);
      const weight = weightOf({ ...run, text });
      block.characters += weight;
      block.isAtLineEnd = text.endsWith("\n");
      this.#characters += weight;
      rest = rest.slice(end);
    }
  }

  #openBlock(): Block {
    const last = this.#blocks.at(-1);
    if (last && !isFull(last)) return last;
    const block = { element: document.createElement("div"), characters: 0, isAtLineEnd: false };
    this.#content.append(block.element);
    this.#blocks.push(block);
    const settled = this.#blocks.at(-1 - LIVE_BLOCKS);
    if (settled) settle(settled.element);
    return block;
  }

  // A block ends behind a line break where it can, since the next block begins a line.
  #endOfBlock(block: Block, text: string): number {
    const room = Math.max(BLOCK_CHARACTERS - block.characters, 0);
    if (text.length <= room) return text.length;
    const lineEnd = text.indexOf("\n", room);
    const end = lineEnd === -1 ? text.length : lineEnd + 1;
    return Math.min(end, LONGEST_BLOCK - block.characters);
  }

  #trim(): void {
    while (this.#blocks.length > 1 && this.#characters - this.#blocks[0]!.characters > KEPT_CHARACTERS) {
      const first = this.#blocks.shift()!;
      this.#characters -= first.characters;
      first.element.remove();
      this.#ontrim();
    }
  }

  #follow(): void {
    if (this.#isFollowing) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#lastTop = this.#scroller.scrollTop;
  }

  // Only the reader moves up; output that arrives before this event only moves the end away.
  #scrolled(): void {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    if (scrollHeight - scrollTop - clientHeight < NEAR_END_PX) this.#isFollowing = true;
    else if (scrollTop < this.#lastTop) this.#isFollowing = false;
    this.#lastTop = scrollTop;
  }
}

function isFull({ characters, isAtLineEnd }: Block): boolean {
  return characters >= LONGEST_BLOCK || (characters >= BLOCK_CHARACTERS && isAtLineEnd);
}

function settle(element: HTMLElement): void {
  const lines = element.textContent.split("\n").length - 1;
  element.className = "settled";
  element.style.containIntrinsicBlockSize = `auto ${lines}lh`;
}

function weightOf({ style, text }: Run): number {
  return text.length + (style === PLAIN ? 0 : ELEMENT_CHARACTERS);
}

// Text nodes alone, whatever a script writes.
function appendText(parent: HTMLElement, { stream, style }: Run, text: string): void {
  const span = spanOf(parent, stream);
  if (style !== PLAIN) return appendStyled(span, style, text);
  if (span.lastChild instanceof Text) span.lastChild.appendData(text);
  else span.append(text);
}

function spanOf(parent: HTMLElement, stream: Stream): Element {
  const last = parent.lastElementChild;
  if (last?.className === stream) return last;
  const span = document.createElement("span");
  span.className = stream;
  parent.append(span);
  return span;
}

function appendStyled(parent: Element, style: Style, text: string): void {
  const span = (elements.get(style) ?? element(style)).cloneNode() as HTMLElement;
  span.append(text);
  parent.append(span);
}

// A copy costs a fraction of what the first one does.
const elements = new WeakMap<Style, HTMLElement>();

function element(style: Style): HTMLElement {
  const { isInverse } = style;
  const [colour, fill] = isInverse ? [style.fill, style.colour] : [style.colour, style.fill];
  const names = {
    bold: style.isBold,
    faint: style.isFaint,
    italic: style.isItalic,
    underlined: style.isUnderlined,
    struck: style.isStruck,
    inverse: isInverse && !colour && !fill,
    coloured: colour,
    filled: fill,
  };
  const span = document.createElement("span");
  span.className = Object.entries(names).flatMap(([name, is]) => (is ? [name] : [])).join(" ");
  if (colour) span.style.setProperty("--colour", colour);
  if (fill) span.style.setProperty("--fill", fill);
  elements.set(style, span);
  return span;
}
