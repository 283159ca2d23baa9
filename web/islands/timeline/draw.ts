// The picture of a time line.
import { Call, Dense, Mark } from "./data";
import { duration, moment, niceStep, shown } from "./format";
import { Tile, Tiles } from "./tiles";

export const axis = 22;
const nameHeight = 18;
const markHeight = 13;
const line = 16;
const gap = 8;
const faint = 0.22; // what the filter does not choose

// Hit is something under the pointer.
export interface Hit {
  x: number;
  y: number;
  w: number;
  h: number;
  goroutine: number;
  call?: Call;
  from?: number; // of what can be zoomed into
  to?: number;
  mark?: Mark;
  text: string;
}

export interface View {
  from: number;
  to: number;
  y: number; // px scrolled
  at: number; // call in focus
  goroutine: number; // of that call; 0: unknown
}

interface Colours {
  tones: string[];
  text: string;
  soft: string;
  line: string;
  card: string;
  bad: string;
  warn: string;
  live: string;
  link: string;
  onTone: string;
  dense: string;
  mono: string;
  sans: string;
}

export function colours(): Colours {
  const style = getComputedStyle(document.documentElement);
  const get = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  return {
    tones: Array.from({ length: 8 }, (_, i) => get(`t${i}`)), text: get("text"), soft: get("soft"), line: get("line"), card: get("bg"), bad: get("bad"),
    warn: get("warn"), live: get("live"), link: get("link"), onTone: get("flame-text"), dense: dark ? "#5a5d66" : "#b9b6ae", mono: get("mono"), sans: get("sans"),
  };
}

// Picture draws, and remembers where things are.
export class Picture {
  hits: Hit[] = [];
  height = 0; // px of all tracks
  order: number[] = [];
  listed = 0; // calls
  chosen = 0; // of them, those that the filter chooses
  filtered = false; // whether there is a filter
  private tops = new Map<number, number>();
  private bottoms = new Map<number, number>();

  constructor(private readonly tiles: Tiles, private readonly canvas: HTMLCanvasElement, public palette: Colours) {}

  // layout gives every goroutine its place.
  layout(goroutines: number[]): void {
    let y = axis;
    this.order = goroutines;
    this.tops.clear();
    this.bottoms.clear();
    for (const g of goroutines) {
      this.tops.set(g, y);
      y += nameHeight + markHeight + (this.tiles.levels.get(g) ?? 1) * line;
      this.bottoms.set(g, y);
      y += gap;
    }
    this.height = y;
  }

  top(goroutine: number): number | undefined {
    return this.tops.get(goroutine);
  }

  // visible returns the goroutines that are on the canvas.
  visible(y: number, height: number): number[] {
    return this.order.filter((g) => (this.bottoms.get(g) ?? 0) >= y + axis && (this.tops.get(g) ?? 0) <= y + height);
  }

  draw(view: View, width: number, height: number, level: number, top: number, groupOf: (g: number) => string): void {
    const ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const c = this.canvas.getContext("2d");
    if (!c) return;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.fillStyle = this.palette.card;
    c.fillRect(0, 0, width, height);
    this.hits = [];
    this.listed = 0;
    this.chosen = 0;
    this.filtered = new URLSearchParams(location.search).get("f") !== null;
    const x = (ns: number) => ((ns - view.from) / (view.to - view.from)) * width;
    this.axis(c, view, width, height, x);
    c.save();
    c.beginPath();
    c.rect(0, axis, width, height - axis);
    c.clip();
    const size = 2 ** level;
    for (const g of this.visible(view.y, height)) {
      const y = (this.tops.get(g) ?? 0) - view.y;
      this.name(c, g, y, view, x, width);
      const labels = new Map<number, Call>();
      for (let n = Math.floor(Math.max(0, view.from) / size); n * size < view.to; n++) {
        const tile = this.tiles.get(level, n, groupOf(g), top);
        if (!tile) {
          this.waiting(c, x(n * size), x((n + 1) * size), y + nameHeight + markHeight);
          continue;
        }
        c.save();
        c.beginPath();
        c.rect(x(n * size) - 0.5, y, x((n + 1) * size) - x(n * size) + 1, (this.bottoms.get(g) ?? 0) - (this.tops.get(g) ?? 0) + 4);
        c.clip();
        this.piece(c, g, tile, y, view, x, width, labels);
        c.restore();
      }
      this.labels(c, g, labels, y, view, x, width);
    }
    this.lineage(c, view, x);
    c.restore();
  }

  private axis(c: CanvasRenderingContext2D, view: View, width: number, height: number, x: (ns: number) => number): void {
    const p = this.palette;
    const step = niceStep(((view.to - view.from) * 130) / width);
    c.font = `11px ${p.sans}`;
    c.textBaseline = "middle";
    for (let at = Math.ceil(view.from / step) * step; at < view.to; at += step) {
      const left = Math.round(x(at)) + 0.5;
      c.strokeStyle = p.line;
      c.lineWidth = 1;
      c.beginPath();
      c.moveTo(left, 0);
      c.lineTo(left, height);
      c.stroke();
      c.fillStyle = p.soft;
      c.fillText(moment(at, step), left + 4, axis / 2);
    }
  }

  private name(c: CanvasRenderingContext2D, g: number, y: number, view: View, x: (ns: number) => number, width: number): void {
    const info = this.tiles.goroutines.get(g);
    const p = this.palette;
    if (info) {
      const left = Math.max(0, x(info.start_ns));
      const right = Math.min(width, info.end_ns === null ? width : x(info.end_ns));
      c.fillStyle = p.soft;
      c.globalAlpha = info.end_ns === null ? 0.4 : 0.8;
      if (right > left) c.fillRect(left, y, right - left, 2);
      c.globalAlpha = 1;
    }
    const begun = this.tiles.functions.get(info?.function_id ?? 0);
    c.font = `600 12px ${p.mono}`;
    c.textBaseline = "alphabetic";
    c.fillStyle = g === view.goroutine ? p.link : p.text;
    c.fillText(`g${g} ${begun?.short ?? ""}`, 3, y + 14);
  }

  private waiting(c: CanvasRenderingContext2D, left: number, right: number, y: number): void {
    c.fillStyle = this.palette.line;
    c.globalAlpha = 0.5;
    c.fillRect(left, y, right - left, line - 1);
    c.globalAlpha = 1;
  }

  // piece draws what a piece has of a goroutine.
  private piece(c: CanvasRenderingContext2D, g: number, tile: Tile, y: number, view: View, x: (ns: number) => number, width: number, labels: Map<number, Call>): void {
    const track = tile.tracks.get(g);
    if (!track) return;
    const p = this.palette;
    const base = y + nameHeight + markHeight;
    const place = (from: number, to: number) => {
      const left = Math.max(-2, x(from));
      return { left, w: Math.max(1, Math.min(width + 2, x(to)) - left) };
    };
    for (const d of track.dense) this.dense(c, g, d, base, tile, place);
    for (const call of track.calls) {
      const { left, w } = place(call.time_ns, call.end_ns ?? view.to);
      if (left > width || left + w < 0) continue;
      const top = base + call.depth * line;
      c.fillStyle = p.tones[this.tiles.functions.get(call.function_id)?.tone ?? 0] ?? p.soft;
      c.globalAlpha = call.other ? faint : 1;
      c.fillRect(left, top, Math.max(1, w - 0.5), line - 1);
      c.globalAlpha = 1;
      if (!labels.has(call.seq)) {
        this.listed++;
        if (!call.other) this.chosen++;
      }
      labels.set(call.seq, call);
    }
    const bucketLevel = track.calls.reduce((most, call) => Math.max(most, call.depth + 1), 0);
    for (const b of track.buckets ?? []) {
      const { left, w } = place(b.start_ns, b.start_ns + tile.bucket);
      const h = Math.max(2, Math.min(1, b.busy_ns / tile.bucket) * (line - 1));
      const top = base + Math.min(bucketLevel, (this.tiles.levels.get(g) ?? 1) - 1) * line;
      c.fillStyle = (b.errors ?? 0) + (b.panics ?? 0) > 0 ? p.bad : p.dense;
      c.fillRect(left, top + line - 1 - h, w, h);
      this.hits.push({
        x: left, y: top, w, h: line, goroutine: g, from: b.start_ns, to: b.start_ns + tile.bucket,
        text: `${b.calls.toLocaleString("en")} calls in ${duration(tile.bucket)}${problems(b.errors, b.panics)}`,
      });
    }
    for (const m of track.marks) {
      const left = x(m.time_ns);
      if (left < -8 || left > width + 8) continue;
      c.globalAlpha = m.other ? faint : 1;
      this.shape(c, m.event, left, y + nameHeight);
      c.globalAlpha = 1;
      this.hits.push({ x: left - 6, y: y + nameHeight, w: 12, h: markHeight, goroutine: g, mark: m, text: m.count > 1 ? `${m.count} × ${m.event}` : m.event });
    }
  }

  private dense(c: CanvasRenderingContext2D, g: number, d: Dense, base: number, tile: Tile, place: (from: number, to: number) => { left: number; w: number }): void {
    const p = this.palette;
    const { left, w } = place(d.from_ns, d.to_ns);
    const top = base + d.depth * line;
    c.fillStyle = p.dense;
    c.globalAlpha = this.filtered && !d.chosen ? faint : 1;
    c.fillRect(left, top, w, line - 1);
    if ((d.errors ?? 0) + (d.panics ?? 0) > 0) {
      c.fillStyle = p.bad;
      c.fillRect(left, top + line - 5, Math.max(2, w), 4);
    }
    c.globalAlpha = 1;
    this.hits.push({
      x: left, y: top, w: Math.max(3, w), h: line, goroutine: g, from: d.from_ns, to: d.to_ns,
      text: `${d.calls.toLocaleString("en")} calls of up to ${duration(tile.narrowest)}${problems(d.errors, d.panics)}${this.filtered ? `, ${(d.chosen ?? 0).toLocaleString("en")} of them match the filter` : ""}`,
    });
  }

  // labels draws what belongs to whole calls, which may lie on several pieces.
  private labels(c: CanvasRenderingContext2D, g: number, calls: Map<number, Call>, y: number, view: View, x: (ns: number) => number, width: number): void {
    const p = this.palette;
    const base = y + nameHeight + markHeight;
    c.font = `11.5px ${p.mono}`;
    c.textBaseline = "alphabetic";
    for (const call of calls.values()) {
      const left = Math.max(0, x(call.time_ns));
      const right = Math.min(width, x(call.end_ns ?? view.to));
      const top = base + call.depth * line;
      const f = this.tiles.functions.get(call.function_id);
      const name = f?.short ?? "an unknown function";
      c.globalAlpha = call.other && call.seq !== view.at ? faint : 1;
      if (right - left > 30) {
        const letters = Math.floor((right - left - 8) / 7);
        c.fillStyle = p.onTone;
        c.fillText(name.length > letters ? `${name.slice(0, Math.max(1, letters - 1))}…` : name, left + 4, top + 11.5);
      }
      if (call.outcome !== "returned") {
        c.strokeStyle = call.outcome === "panicked" ? p.bad : p.soft;
        c.setLineDash([4, 2]);
        c.strokeRect(left + 0.5, top + 0.5, Math.max(1, right - left - 1), line - 2);
        c.setLineDash([]);
      }
      if (call.seq === view.at) {
        c.strokeStyle = p.text;
        c.lineWidth = 2;
        c.strokeRect(left, top, Math.max(2, right - left), line - 1);
        c.lineWidth = 1;
      }
      if (call.failed && call.end_ns !== null) {
        if (right - left > 3) this.shape(c, "error", Math.min(width, x(call.end_ns)), top + 1);
        else {
          c.fillStyle = p.bad;
          c.fillRect(left, top + line - 5, 2, 4);
        }
      }
      c.globalAlpha = 1;
      const took = call.duration_ns === null ? call.outcome : duration(call.duration_ns);
      this.hits.push({
        x: left, y: top, w: Math.max(3, right - left), h: line, goroutine: g, call,
        text: `${name} ${took}${call.failed ? ", returned an error" : call.outcome === "panicked" ? ", panicked" : ""}`,
      });
    }
  }

  // shape draws a mark: each kind has a form of its own.
  private shape(c: CanvasRenderingContext2D, kind: string, x: number, y: number): void {
    const p = this.palette;
    c.beginPath();
    c.lineWidth = 2;
    c.fillStyle = kind === "output" ? p.live : p.bad;
    c.strokeStyle = p.warn;
    switch (kind) {
      case "error":
        c.moveTo(x, y);
        c.lineTo(x + 5, y + 5.5);
        c.lineTo(x, y + 11);
        c.lineTo(x - 5, y + 5.5);
        c.fill();
        break;
      case "panic":
        c.moveTo(x, y);
        c.lineTo(x + 5.5, y + 10);
        c.lineTo(x - 5.5, y + 10);
        c.fill();
        break;
      case "output":
        c.rect(x - 3.5, y + 2, 7, 8);
        c.fill();
        break;
      case "recovered":
        c.arc(x, y + 6, 4, 0, 7);
        c.stroke();
        break;
      default:
        c.moveTo(x - 4, y + 2);
        c.lineTo(x + 4, y + 10);
        c.moveTo(x + 4, y + 2);
        c.lineTo(x - 4, y + 10);
        c.stroke();
    }
    c.lineWidth = 1;
  }

  // lineage leads from the goroutine in focus to those it started, and to it from the one that started it.
  private lineage(c: CanvasRenderingContext2D, view: View, x: (ns: number) => number): void {
    if (view.goroutine === 0) return;
    c.strokeStyle = this.palette.link;
    c.fillStyle = this.palette.link;
    for (const g of this.order) {
      const info = this.tiles.goroutines.get(g);
      const parent = info?.parent_goroutine ?? 0;
      const from = this.tops.get(parent);
      const to = this.tops.get(g);
      if (!info || from === undefined || to === undefined || (g !== view.goroutine && parent !== view.goroutine)) continue;
      const left = x(info.start_ns);
      const down = to > from;
      const start = (down ? from + nameHeight + markHeight + line : from) - view.y;
      const end = (down ? to : to + nameHeight) - view.y;
      c.setLineDash([5, 3]);
      c.lineWidth = 1.5;
      c.beginPath();
      c.moveTo(left, start);
      c.lineTo(left, end);
      c.stroke();
      c.setLineDash([]);
      c.beginPath();
      c.moveTo(left, end);
      c.lineTo(left - 4, end + (down ? -7 : 7));
      c.lineTo(left + 4, end + (down ? -7 : 7));
      c.fill();
    }
    c.lineWidth = 1;
  }

  // at returns what lies at a point, calls before what is below them.
  at(x: number, y: number): Hit | undefined {
    let found: Hit | undefined;
    for (const h of this.hits) {
      if (x >= h.x && x <= h.x + h.w && y >= h.y && y < h.y + h.h && (!found || h.w <= found.w || h.mark)) found = h;
    }
    return found && { ...found, text: shown(found.text, 200) };
  }
}

function problems(errors = 0, panics = 0): string {
  return errors + panics > 0 ? `, ${errors} errors, ${panics} panics` : "";
}
