// What was loaded: pieces of the time line, each of some goroutines over a stretch of time of a power of two.
import { Answer, Goroutine, NamedFunction, Track, ask } from "./data";

export const chunk = 20; // goroutines of a piece
const pixels = 1024; // that a piece is made for
const kept = 240; // pieces
const atOnce = 4; // requests
const again = 700; // ms after which a piece that did not count everything yet is asked for again

// Tile is a piece.
export interface Tile {
  from: number;
  to: number;
  narrowest: number;
  bucket: number;
  complete: boolean;
  stale: boolean; // it is shown until what it has become is there
  tracks: Map<number, Track>;
}

interface Wanted {
  key: string;
  from: number;
  to: number;
  goroutines: number[];
}

export class Tiles {
  readonly functions = new Map<number, NamedFunction>();
  readonly goroutines = new Map<number, Goroutine & { function_id: number }>();
  readonly levels = new Map<number, number>(); // of a goroutine, as far as they were seen
  problem = "";
  private readonly loaded = new Map<string, Tile>();
  private readonly asked = new Map<string, AbortController>();
  private counted = 0; // pieces that will be asked for again, because they did not count everything yet
  held = false; // nothing is asked for, because somebody did not want to wait

  constructor(private readonly source: string, private readonly changed: () => void) {}

  // level is the exponent of pieces that suit a window: two to four of them lie in it.
  static level(length: number): number {
    return Math.max(5, Math.ceil(Math.log2(length)) - 1);
  }

  // get returns the finest piece of a level or above that is there.
  get(level: number, number: number, group: string, top: number): Tile | undefined {
    for (let k = level; k <= top + 1; k++) {
      const tile = this.loaded.get(`${k}/${Math.floor(number / 2 ** (k - level))}/${group}`);
      if (tile) return tile;
    }
    return undefined;
  }

  // want asks for pieces that are not there, and gives up those that nobody wants any more.
  want(level: number, numbers: number[], groups: Map<string, number[]>, whole: number): void {
    const wanted: Wanted[] = [];
    for (const [group, goroutines] of groups) {
      for (const number of numbers) {
        const key = `${level}/${number}/${group}`;
        const from = number * 2 ** level;
        if (from < whole) wanted.push({ key, from, to: from + 2 ** level, goroutines });
      }
    }
    const keys = new Set(wanted.map((w) => w.key));
    for (const [key, control] of this.asked) {
      if (keys.has(key)) continue;
      control.abort();
      this.asked.delete(key);
    }
    for (const w of wanted) {
      const tile = this.loaded.get(w.key);
      if (tile && !tile.stale) {
        this.loaded.delete(w.key); // to the end: it was used last
        this.loaded.set(w.key, tile);
      } else if (!this.held && !this.asked.has(w.key) && this.asked.size < atOnce) {
        void this.load(w);
      }
    }
    for (const key of this.loaded.keys()) {
      if (this.loaded.size <= kept) break;
      this.loaded.delete(key);
    }
  }

  // grew says that the run is longer by now, and calls may have ended.
  grew(): void {
    for (const tile of this.loaded.values()) tile.stale = true;
  }

  // busy reports whether something is still to come.
  get busy(): boolean {
    return this.asked.size > 0;
  }

  // unfinished reports whether something of the picture is still to come, now or by asking again.
  get unfinished(): boolean {
    return this.asked.size > 0 || this.counted > 0;
  }

  // hold gives up what is still to come; the server ends with it. release asks for it again.
  hold(): void {
    this.held = true;
    for (const control of this.asked.values()) control.abort();
    this.asked.clear();
    this.changed();
  }

  release(): void {
    this.held = false;
  }

  private async load(w: Wanted): Promise<void> {
    const control = new AbortController();
    this.asked.set(w.key, control);
    const query = new URLSearchParams({ from: String(w.from), to: String(w.to), px: String(pixels), goroutines: w.goroutines.join(" ") });
    const filter = new URLSearchParams(location.search).get("f");
    if (filter) query.set("f", filter);
    const stopped = new URLSearchParams(location.search).get("read") === "no"; // nothing more is read for this page
    if (stopped) query.set("read", "no");
    try {
      const answer = await ask<Answer>(`${this.source}?${query}`, control.signal);
      this.problem = "";
      this.learn(answer);
      this.loaded.set(w.key, {
        from: w.from, to: w.to, narrowest: answer.narrowest_ns, bucket: answer.bucket_ns ?? 0, complete: answer.complete, stale: false,
        tracks: new Map(answer.tracks.map((t) => [t.goroutine.id, t])),
      });
      if (answer.partial && !stopped) {
        this.counted++;
        setTimeout(() => {
          this.counted--;
          const tile = this.loaded.get(w.key);
          if (this.held && tile) tile.stale = true; // it stays in sight
          else this.loaded.delete(w.key);
          this.changed();
        }, again);
      }
    } catch (error) {
      if (control.signal.aborted) return;
      this.problem = error instanceof Error ? error.message : String(error);
    }
    if (this.asked.get(w.key) === control) this.asked.delete(w.key);
    this.changed();
  }

  // learn takes over names and sizes.
  learn(answer: Answer): void {
    for (const [id, f] of Object.entries(answer.functions)) this.functions.set(Number(id), f);
    for (const t of answer.tracks) {
      const id = t.goroutine.id;
      this.goroutines.set(id, { ...t.goroutine, function_id: t.function_id });
      let levels = this.levels.get(id) ?? 1;
      for (const c of t.calls) levels = Math.max(levels, c.depth + 1);
      for (const d of t.dense) levels = Math.max(levels, d.depth + 1);
      if (t.buckets && t.buckets.length > 0) levels = Math.max(levels, 1 + t.calls.reduce((most, c) => Math.max(most, c.depth + 1), 0));
      this.levels.set(id, levels);
    }
  }
}
