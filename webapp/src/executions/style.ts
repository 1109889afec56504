/** How text looks (SGR, ECMA-48 8.3.117). Colours are CSS. */
export interface Style {
  readonly isBold: boolean;
  readonly isFaint: boolean;
  readonly isItalic: boolean;
  readonly isUnderlined: boolean;
  readonly isStruck: boolean;
  readonly isInverse: boolean;
  readonly colour: string | null;
  readonly fill: string | null;
}

export const PLAIN: Style = {
  isBold: false,
  isFaint: false,
  isItalic: false,
  isUnderlined: false,
  isStruck: false,
  isInverse: false,
  colour: null,
  fill: null,
};

// A script that fades through all colours would fill the memory.
const MOST_KNOWN = 4_096;
const known = new Map<string, Style>();
const PLAIN_KEY = keyOf(PLAIN);

// Concealed and blinking text is text like all other here.
const CHANGES: Record<number, Partial<Style>> = {
  0: PLAIN,
  1: { isBold: true },
  2: { isFaint: true },
  3: { isItalic: true },
  4: { isUnderlined: true },
  7: { isInverse: true },
  9: { isStruck: true },
  21: { isUnderlined: true },
  22: { isBold: false, isFaint: false },
  23: { isItalic: false },
  24: { isUnderlined: false },
  27: { isInverse: false },
  29: { isStruck: false },
  39: { colour: null },
  49: { fill: null },
};

// Console.svelte makes each of them readable on its ground.
const NAMED = [
  ...["0 0 0", "205 0 0", "0 175 0", "190 140 0", "30 80 220", "190 0 190", "0 160 170", "200 200 200"],
  ...["110 110 110", "255 60 50", "40 210 60", "245 200 40", "90 140 255", "255 90 255", "50 215 225", "255 255 255"],
].map((channels) => `rgb(${channels})`);
// Not in ECMA-48; its numbers would mean something by themselves.
const UNDERLINE_COLOUR = 58;
const CUBE = [0, 95, 135, 175, 215, 255];

/** The style after a sequence, one object for all text that looks the same; numbers without a meaning change nothing. */
export function styled(before: Style, params: readonly number[]): Style {
  let style = before;
  for (let at = 0; at < params.length; at++) {
    const code = params[at]!;
    if (code === 38 || code === 48 || code === UNDERLINE_COLOUR) {
      const colour = colourOf(params.slice(at + 1, at + 5));
      if (colour && code !== UNDERLINE_COLOUR) style = { ...style, [code === 38 ? "colour" : "fill"]: colour };
      at += params[at + 1] === 2 ? 4 : 2;
    } else style = { ...style, ...(CHANGES[code] ?? named(code)) };
  }
  return one(style);
}

function one(style: Style): Style {
  const key = keyOf(style);
  if (key === PLAIN_KEY) return PLAIN;
  if (known.size === MOST_KNOWN) known.clear();
  if (!known.has(key)) known.set(key, style);
  return known.get(key)!;
}

function keyOf(style: Style): string {
  return Object.values(style).join();
}

function named(code: number): Partial<Style> {
  const [decade, index] = [Math.floor(code / 10), code % 10];
  if (index > 7) return {};
  if (decade === 3 || decade === 9) return { colour: NAMED[index + (decade === 9 ? 8 : 0)]! };
  if (decade === 4 || decade === 10) return { fill: NAMED[index + (decade === 10 ? 8 : 0)]! };
  return {};
}

function colourOf([kind, ...channels]: number[]): string | null {
  const [index] = channels;
  if (kind === 2) return channels.length === 3 && channels.every(isByte) ? `rgb(${channels.join(" ")})` : null;
  return kind === 5 && index !== undefined && isByte(index) ? indexed(index) : null;
}

function indexed(index: number): string {
  if (index < 16) return NAMED[index]!;
  const grey = 8 + 10 * (index - 232);
  if (index >= 232) return `rgb(${grey} ${grey} ${grey})`;
  const place = index - 16;
  const channels = [Math.floor(place / 36), Math.floor(place / 6) % 6, place % 6];
  return `rgb(${channels.map((channel) => CUBE[channel]).join(" ")})`;
}

function isByte(value: number): boolean {
  return value >= 0 && value <= 255;
}
