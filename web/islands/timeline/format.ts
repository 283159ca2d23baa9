// Times and texts as pages write them.

export function duration(ns: number): string {
  if (ns < 1e3) return `${Math.round(ns)}ns`;
  for (const [size, unit] of [[1e9, "s"], [1e6, "ms"], [1e3, "µs"]] as const) {
    if (ns >= size) return `${(ns / size).toPrecision(ns / size < 1000 ? 3 : 6)}${unit}`;
  }
  return "";
}

// moment writes a time since the run's start so that times that lie apart by a fraction of step differ.
export function moment(ns: number, step: number): string {
  let digits = 3;
  for (let scale = 1e6; digits < 9 && step < 10 * scale; scale /= 10) digits++;
  const seconds = Math.floor(ns / 1e9);
  const fraction = String(Math.floor(ns - seconds * 1e9)).padStart(9, "0");
  return `+${seconds}.${fraction.slice(0, digits)}s`;
}

// parameter writes a time for an address, exactly: "30.409632ms".
export function parameter(ns: number): string {
  if (ns === 0) return "0s";
  for (const [size, unit] of [[1e9, "s"], [1e6, "ms"], [1e3, "us"]] as const) {
    if (ns < size) continue;
    const digits = String(size + (ns % size)).slice(1).replace(/0+$/, "");
    return `${Math.floor(ns / size)}${digits && "."}${digits}${unit}`;
  }
  return `${ns}ns`;
}

// parseParameter reads what parameter wrote; null when it is something else, which the server understands.
export function parseParameter(text: string): number | null {
  const parts = /^(\d+)(?:\.(\d{1,9}))?(ns|us|ms|s)?$/.exec(text);
  if (!parts) return null;
  const size = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 }[parts[3] ?? "ns"] ?? 1;
  return Number(parts[1]) * size + Math.floor(Number((parts[2] ?? "").padEnd(9, "0")) / (1e9 / size));
}

// niceStep is the smallest of 1, 2, 5, 10, 20, … that is not below ns.
export function niceStep(ns: number): number {
  for (let power = 1; ; power *= 10) {
    for (const n of [1, 2, 5]) {
      if (n * power >= ns) return n * power;
    }
  }
}

// shown makes text from a recording fit to be shown: nothing in it is unseen or turns what is around it, and it has an end.
export function shown(text: string, most: number): string {
  const cut = text.length > most ? `${text.slice(0, most)}…` : text;
  return cut.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\u2028\u2029]/gu, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`);
}
