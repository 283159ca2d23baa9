// Numbers as the pages write them (export.Duration, export.Count).

// duration writes nanoseconds with three digits, and a dash for a time that is not known.
export function duration(ns: number | null | undefined): string {
  if (ns === null || ns === undefined) return "–";
  if (ns < 0) return "-" + duration(-ns);
  if (ns < 1e3) return ns.toFixed(0) + "ns";
  if (ns < 999_500) return significant(ns / 1e3) + "µs";
  if (ns < 999_500_000) return significant(ns / 1e6) + "ms";
  if (ns < 60e9) return significant(ns / 1e9) + "s";
  const seconds = Math.round(ns / 1e9);
  const hours = Math.floor(seconds / 3600);
  return (hours > 0 ? `${hours}h` : "") + `${Math.floor(seconds / 60) % 60}m${seconds % 60}s`;
}

function significant(f: number): string {
  if (f < 9.995) return f.toFixed(2);
  return f.toFixed(f < 99.95 ? 1 : 0);
}

// since writes a moment of a run: "+1.234567s". It is not rounded.
export function since(ns: number): string {
  return "+" + (Math.floor(ns / 1e3) / 1e6).toFixed(6) + "s";
}

// count writes a number with commas between the thousands.
export function count(n: number): string {
  return n.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ",");
}

// plural writes a count of things.
export function plural(n: number, thing: string): string {
  return n === 1 ? "1 " + thing : count(n) + " " + thing + "s";
}

// share returns part as a percentage of whole, at least 1 when there is any.
export function share(part: number | null | undefined, whole: number | null | undefined): number {
  if (!part || !whole || part < 0 || whole < 0) return 0;
  return Math.floor(Math.max(1, Math.min(100, (part / whole) * 100)));
}
