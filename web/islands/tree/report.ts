// The calls of a report: what its pages hold, and nobody to ask for more.
import { Problem } from "../answers";
import { type Call } from "../calls";
import { type Hit, type Page, type Source, type Step } from "./source";

interface Data {
  lists: Record<string, { calls: Call[]; more?: boolean }>;
  pages: Record<string, string>;
}

let opened: Report | null | undefined;

// openReport returns the calls that a report holds: in a script of its folder, or in its only page; null: none.
export function openReport(): Source | null {
  if (opened === undefined) {
    const inline = document.getElementById("smiley-calls")?.textContent;
    const data = (window as { smileyCalls?: Data }).smileyCalls ?? (inline ? JSON.parse(inline) as Data : null);
    opened = data ? new Report(data) : null;
  }
  return opened;
}

class Report implements Source {
  readonly run = "";
  private readonly calls = new Map<number, Call>();
  private readonly sorted: Call[];

  constructor(private readonly data: Data) {
    for (const list of Object.values(data.lists)) for (const call of list.calls) this.calls.set(call.seq, call);
    this.sorted = [...this.calls.values()].sort((a, b) => a.seq - b.seq);
  }

  private page(name: string, goroutine: number, path: Call[]): Page {
    const list = this.data.lists[name];
    if (!list) throw missing("these calls are not in this report");
    const last = list.calls[list.calls.length - 1];
    return { goroutine, path, calls: list.calls, ...(list.more && last ? { after: last.seq } : {}) };
  }

  async children(call: number, goroutine: number, after: number): Promise<Page> {
    if (after !== 0) throw missing("the calls that follow are not in this report");
    return this.page(call === 0 ? `g${goroutine}` : String(call), goroutine, []);
  }

  async childrenBefore(): Promise<Page> {
    throw missing("the calls that follow are not in this report");
  }

  async around(seq: number): Promise<Page> {
    const path: Call[] = [];
    for (let call = this.calls.get(seq); call; call = this.calls.get(call.parent)) path.unshift(call);
    const own = path[path.length - 1];
    if (!own) throw missing(`call ${seq} is not in the tree of this report`);
    if (!this.data.lists[String(seq)]) return { goroutine: own.goroutine, path, calls: [], ...(own.end_seq === own.seq + 1 ? {} : { after: 0 }) };
    return this.page(String(seq), own.goroutine, path);
  }

  async step(seq: number, to: Step): Promise<number> {
    const own = this.calls.get(seq);
    let found: Call | undefined;
    if (own && to === "out") found = this.calls.get(own.parent);
    else if (own && to === "into") found = this.data.lists[String(seq)]?.calls[0];
    else if (own) found = this.next(own.goroutine, seq, to === "previous", (c) => c.function === own.function);
    if (!found) throw missing("there is no such call in this report");
    return found.seq;
  }

  async search(filter: string, goroutine: number, from: number, back: boolean): Promise<Hit | null> {
    const words = filter.toLowerCase().split(/\s+/).map(test);
    // from is the first event to look at, or when going back the one behind the last.
    const found = this.next(goroutine, back ? from : from - 1, back, (c) => words.every((matches) => matches(c)));
    return found ? { seq: found.seq, call: found.seq } : null;
  }

  address(call: number): string {
    return this.data.pages[String(call)] ?? "";
  }

  private next(goroutine: number, seq: number, back: boolean, will: (c: Call) => boolean): Call | undefined {
    const others = this.sorted.filter((c) => c.goroutine === goroutine && (back ? c.seq < seq : c.seq > seq) && will(c));
    return back ? others[others.length - 1] : others[0];
  }
}

function missing(message: string): Problem {
  return new Problem(message, "smiley report --max-calls makes one that holds more");
}

const units: Record<string, number> = { ns: 1, us: 1e3, "µs": 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

// test makes a test of calls out of a word of a filter.
function test(word: string): (c: Call) => boolean {
  if (word === "errors") return (c) => c.failed === true;
  if (word === "panics") return (c) => c.outcome === "panicked";
  const over = /^over:([0-9.]+)(ns|us|µs|ms|s|m|h)$/.exec(word);
  if (over) {
    const least = Number(over[1]) * (units[over[2] ?? ""] ?? 1);
    return (c) => typeof c.duration_ns === "number" && c.duration_ns >= least;
  }
  const depth = /^depth:([0-9]+)$/.exec(word);
  if (depth) return (c) => c.depth <= Number(depth[1]);
  return (c) => c.function.toLowerCase().includes(word);
}
