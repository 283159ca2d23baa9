// Text from a recording, made fit for a page by the rules of the pages themselves (export.Escape).

const unseen = /[^\p{L}\p{M}\p{N}\p{P}\p{S} \u00a0]/gu;

const named: Record<string, string> = {
  "\u0007": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
};

// visible shows what cannot be seen, or turns the direction of writing, as Go escapes.
export function visible(text: string): string {
  return text.replace(unseen, (c) => {
    const code = c.codePointAt(0) ?? 0;
    const name = named[c];
    if (name !== undefined) return name;
    if (code < 0x80) return "\\x" + hex(code, 2);
    return code < 0x10000 ? "\\u" + hex(code, 4) : "\\U" + hex(code, 8);
  });
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}

// shorten cuts text behind n characters.
export function shorten(text: string, n: number): string {
  if (text.length <= n) return text;
  let at = 0;
  let characters = 0;
  for (const c of text) {
    if (++characters > n) return text.slice(0, at) + "…";
    at += c.length;
  }
  return text;
}

// shown is visible text with an end. Text far longer is not even looked at.
export function shown(text: string, n: number): string {
  return shorten(visible(shorten(text, n + 1)), n);
}
