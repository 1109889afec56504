import { KEPT_CHARACTERS, type OutputListener, type Piece } from "./output.svelte";

// The text stands in blocks, so that an append costs the layout of the last block and not of the whole.
const BLOCK_CHARACTERS = 16_000;
// These last blocks fill the screen. The browser lays out those before them when they are scrolled to.
const LIVE_BLOCKS = 3;
// A line longer than this is broken between two blocks, so that no block grows without bound.
const LONGEST_BLOCK = 8 * BLOCK_CHARACTERS;
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
  #pending: Piece[] = [];
  #pendingCharacters = 0;
  #blocks: Block[] = [];
  #characters = 0;
  #isFollowing = true;
  #lastTop = 0;
  // More text makes the content taller; what appears around the output makes its window smaller.
  readonly #resizes = new ResizeObserver(() => this.#follow());
  #frame = 0;

  constructor(scroller: HTMLElement, content: HTMLElement) {
    this.#scroller = scroller;
    this.#content = content;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#resizes.observe(scroller);
    this.#resizes.observe(content);
  }

  append(piece: Piece): void {
    this.#pending.push(piece);
    this.#pendingCharacters += piece.text.length;
    this.#dropPending();
    this.#frame ||= requestAnimationFrame(() => this.#flush());
  }

  clear(): void {
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
    while (this.#pendingCharacters > KEPT_CHARACTERS) this.#pendingCharacters -= this.#pending[count++]!.text.length;
    this.#pending.splice(0, count);
  }

  #flush(): void {
    this.#frame = 0;
    for (const piece of this.#pending) this.#write(piece);
    this.#pending = [];
    this.#pendingCharacters = 0;
    this.#trim();
  }

  #write({ stream, text }: Piece): void {
    let rest = text;
    while (rest !== "") {
      const block = this.#openBlock();
      const end = this.#endOfBlock(block, rest);
      appendText(block.element, stream, rest.slice(0, end));
      block.characters += end;
      block.isAtLineEnd = rest[end - 1] === "\n";
      this.#characters += end;
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

function appendText(block: HTMLElement, stream: string, text: string): void {
  const last = block.lastElementChild;
  if (last?.className === stream && last.lastChild instanceof Text) return last.lastChild.appendData(text);
  const span = document.createElement("span");
  span.className = stream;
  span.append(text);
  block.append(span);
}
