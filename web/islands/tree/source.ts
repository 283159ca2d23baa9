// Where the calls of the tree come from: the server, or the data in a report.
import { ask, query } from "../answers";
import { type Call } from "../calls";

// Page is a page of a list of calls. after is missing at the list's end.
export interface Page {
  goroutine: number;
  path: Call[]; // the call that was asked for and those around it, the outermost first
  calls: Call[];
  after?: number;
  before?: number; // of calls that were asked for from the end: missing at the list's beginning
}

// Hit is an event that a search found, and the call it belongs to.
export interface Hit {
  seq: number;
  call: number;
}

export type Step = "next" | "previous" | "into" | "out";

export interface Source {
  readonly run: string; // address of the run; "" in a report
  children(call: number, goroutine: number, after: number): Promise<Page>;
  // childrenBefore are the last calls of a list before an event, which may be any; 0: the last of all.
  childrenBefore(call: number, goroutine: number, before: number): Promise<Page>;
  around(call: number): Promise<Page>;
  step(call: number, to: Step): Promise<number>;
  // search looks for what a filter chooses, from an event on or before it. progress is told how far it came; null: nothing found.
  search(filter: string, goroutine: number, from: number, back: boolean, progress: (seq: number) => void, signal: AbortSignal): Promise<Hit | null>;
  // address is that of a call's page, "" when there is none.
  address(call: number): string;
}

const pageSize = 100;

interface Events {
  events: { seq: number; call: number }[];
  next?: number;
  complete: boolean;
  from?: number;
}

export class Server implements Source {
  constructor(readonly run: string) {}

  children(call: number, goroutine: number, after: number): Promise<Page> {
    return ask(`${this.run}/tree.json` + query({ at: call, g: call === 0 ? goroutine : 0, after, n: pageSize, path: "no", short: 1 }));
  }

  childrenBefore(call: number, goroutine: number, before: number): Promise<Page> {
    return ask(`${this.run}/tree.json` + query({ at: call, g: call === 0 ? goroutine : 0, before: before || "last", n: pageSize, path: "no", short: 1 }));
  }

  around(call: number): Promise<Page> {
    return ask(`${this.run}/tree.json` + query({ at: call, n: pageSize, short: 1 }));
  }

  async step(call: number, to: Step): Promise<number> {
    return (await ask<{ call: number }>(`${this.run}/go.json` + query({ at: call, to }))).call;
  }

  async search(filter: string, goroutine: number, from: number, back: boolean, progress: (seq: number) => void, signal: AbortSignal): Promise<Hit | null> {
    for (let at = from; ;) {
      if (back && at <= 1) return null;
      const answer = await ask<Events>(`${this.run}/events.json` + query({ f: filter, g: goroutine, [back ? "before" : "from"]: at, n: 1 }), signal);
      const found = answer.events[0];
      if (found) return { seq: found.seq, call: found.call };
      const next = back ? answer.from : answer.next;
      if (!next || next === at) return null;
      at = next;
      progress(at);
    }
  }

  address(call: number): string {
    return `${this.run}/call/${call}`;
  }
}
