// The call tree: calls with their times and values, loaded page by page as somebody opens them.
import { Problem } from "../answers";
import { type Call, signature } from "../calls";
import { element, isTyping } from "../elements";
import { followFocus } from "../focus";
import { count } from "../units";
import { Grid } from "./grid";
import { type List, Model, type Node, type Row } from "./model";
import { openReport } from "./report";
import { Server, type Source, type Step } from "./source";

// Addresses keep at most so many calls that are open besides those around the call in focus.
const openKept = 50;

// Lists on the way to a call that are loaded from their beginning.
const aroundLoaded = 12;

// mountTree draws the tree in place of its table. The place says which run (data-run, its address), goroutine and call it shows.
export function mountTree(place: HTMLElement): void {
  const goroutine = Number(place.dataset["goroutine"] ?? 0);
  const run = place.dataset["run"];
  const source = run !== undefined ? new Server(run) : openReport();
  if (source) void new Tree(place, source, goroutine).start();
}

class Tree {
  private readonly model = new Model();
  private rows: Row[] = [];
  private selected = ""; // key of a row
  private readonly grid: Grid;
  private readonly input: HTMLInputElement;
  private readonly folding: HTMLButtonElement;
  private readonly status: HTMLElement;
  private readonly detail: HTMLElement;
  private loading = 0; // pages that are on their way
  private searching: AbortController | null = null;
  private hit: { seq: number; call: number } | null = null;
  private writing = 0; // timer of the address

  constructor(private readonly place: HTMLElement, private readonly source: Source, private readonly goroutine: number) {
    this.grid = new Grid((call) => source.address(call), (rows) => this.fill(rows));
    this.input = element("input", {
      type: "search", "aria-label": "Search in the tree", placeholder: "search: main.leaf, errors, over:1ms …", "data-key": "/", maxlength: 500,
      autocomplete: "off", spellcheck: "false",
    });
    this.folding = element("button", { type: "button", "aria-pressed": "false", title: "Show recursive calls as one line (r)" }, "fold recursion");
    const close = element("button", { type: "button", title: "Close all but what leads to the selected call ([)" }, "close others");
    this.status = element("p", { role: "status", class: "dim tree-status" });
    this.detail = element("div", { class: "tree-detail" });
    const form = element("form", { role: "search", class: "tree-bar" }, this.input,
      element("button", { type: "submit", title: "Next match (Enter)" }, "find"), this.folding, close);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.search(false);
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.preventDefault();
        this.searching?.abort();
        this.grid.root.focus();
      } else if (event.key === "Enter" && event.shiftKey) {
        event.preventDefault();
        void this.search(true);
      }
    });
    this.folding.addEventListener("click", () => this.setFold(!this.model.fold));
    close.addEventListener("click", () => this.closeOthers());
    this.grid.root.addEventListener("click", (event) => this.click(event));
    this.grid.root.addEventListener("dblclick", (event) => {
      const row = this.grid.rowOf(event.target);
      if (row) void this.toggle(row);
    });
    // Before the keys of the page: what the tree understands does not leave it.
    document.addEventListener("keydown", (event) => this.key(event), true);
    if (source.run !== "") window.addEventListener("popstate", () => void this.restore());
    const head = element("div", { class: "tree-head", "aria-hidden": "true" }, element("div", { class: "took" }, "Took"),
      element("div", { class: "self" }, "Self"), element("div", { class: "part" }), element("div", { class: "what" }, "Call"),
      element("div", { class: "when" }, "Began"));
    place.before(element("section", { class: "tree-island", "aria-label": "Call tree" }, form, head, this.grid.root, this.status, this.detail));
  }

  // start shows what the address asks for. The table stays when that cannot be had.
  async start(): Promise<void> {
    if (await this.restore()) {
      this.place.hidden = true;
      this.place.dataset["mounted"] = "";
      if (this.source.run !== "") document.addEventListener("recording-grew", () => void this.grow());
    }
  }

  // restore makes the view that the address describes.
  private async restore(): Promise<boolean> {
    const query = new URLSearchParams(location.search);
    this.input.value = query.get("f") ?? "";
    this.setFoldButton(query.has("fold"));
    const at = Number((this.source.run !== "" ? query.get("at") : null) ?? this.place.dataset["at"] ?? 0);
    const open = query.get("open")?.split(",").map(Number).filter((n) => n > 0) ?? null;
    return this.attempt(async () => {
      if (at > 0) {
        await this.bring(at, open === null);
      } else if (this.model.top.nodes.length === 0) {
        await this.load(this.model.top, 0);
        const [first, ...others] = this.model.top.nodes;
        if (first && others.length === 0 && open === null) await this.expand(first);
      }
      if (open !== null) await this.openExactly(open, this.model.nodes.get(at) ?? null);
      this.refresh();
      this.select(at > 0 ? `c${at}` : this.rows[0]?.key ?? "");
      const top: unknown = (history.state as { top?: unknown } | null)?.top;
      if (typeof top === "number") {
        this.grid.root.scrollTop = top;
        this.grid.reveal(this.selected);
      }
    });
  }

  // openExactly opens the calls of a list, and closes all others that do not lead to the selected one.
  private async openExactly(open: number[], selected: Node | null): Promise<void> {
    for (const node of this.model.nodes.values()) node.open = false;
    for (let n = selected?.parent ?? null; n; n = n.parent) n.open = true;
    for (const seq of open.slice(0, openKept).sort((a, b) => a - b)) {
      let node = this.model.nodes.get(seq);
      if (!node) {
        const page = await this.source.around(seq);
        if (page.goroutine !== this.goroutine) continue;
        this.model.path(page.path);
        node = this.model.nodes.get(seq);
        if (!node) continue;
        this.model.take(node, 0, page.calls, page.after === undefined);
      }
      await this.expand(node);
    }
  }

  // attempt does something that may fail, and says so when it does.
  private async attempt(what: () => Promise<void>): Promise<boolean> {
    this.place.parentElement?.setAttribute("aria-busy", "true");
    this.loading++;
    try {
      await what();
      return true;
    } catch (error) {
      if (error instanceof Problem) this.say(`${error.message}. ${error.hint}`);
      else if (!(error instanceof DOMException && error.name === "AbortError")) throw error;
      return false;
    } finally {
      this.loading -= 1;
      if (this.loading < 1) this.place.parentElement?.removeAttribute("aria-busy");
    }
  }

  private say(text: string): void {
    this.status.textContent = text;
  }

  // bring makes a call part of what is seen.
  private async bring(seq: number, open: boolean): Promise<void> {
    if (!this.model.nodes.has(seq)) {
      const page = await this.source.around(seq);
      if (page.goroutine !== this.goroutine && this.source.run !== "") {
        location.assign(`${location.pathname}?at=${seq}`);
        return;
      }
      const node = this.model.path(page.path);
      if (!node) return;
      this.model.take(node, 0, page.calls, page.after === undefined);
      if (open && !node.leaf) node.open = true;
      await this.loadAround(node);
      return;
    }
    const path: Call[] = [];
    for (let n = this.model.nodes.get(seq) ?? null; n; n = n.parent) path.unshift(n.call);
    const node = this.model.path(path);
    if (open && node) await this.expand(node);
  }

  // loadAround loads the beginnings of the lists that lead to a call, so that a link shows what one who walked there saw.
  private async loadAround(node: Node): Promise<void> {
    const lists: List[] = [];
    for (let n: Node | null = node; n; n = n.parent) {
      const list = this.model.listOf(n.parent);
      if (list.nodes[0]?.gapBefore) lists.push(list);
    }
    lists.splice(aroundLoaded / 2, Math.max(0, lists.length - aroundLoaded)); // the innermost and the outermost ones
    await Promise.all(lists.map((list) => this.load(list, 0)));
  }

  // load gets the calls of a list behind the one with the seq after.
  private async load(list: List, after: number): Promise<void> {
    const page = await this.source.children(list.parent?.call.seq ?? this.model.above, this.goroutine, after);
    this.model.take(list.parent, after, page.calls, page.after === undefined);
  }

  private async expand(node: Node): Promise<void> {
    if (node.leaf) return;
    if (!node.below) await this.load(this.model.listOf(node), 0);
    node.open = !node.leaf;
  }

  // grow takes over what a run that is being recorded has come to. What is selected stays where it is.
  private async grow(): Promise<void> {
    if (this.loading > 0) { // pages of calls come one after the other
      window.setTimeout(() => void this.grow(), 200);
      return;
    }
    const grown = await this.attempt(async () => {
      for (const list of this.model.growing()) {
        const last = list.nodes[list.nodes.length - 1];
        if (!last) {
          await this.load(list, 0);
        } else if (last.gapBefore) {
          const page = await this.source.around(last.call.seq);
          const call = page.path[page.path.length - 1];
          if (call) this.model.update(last, call);
        } else {
          await this.load(list, list.nodes[list.nodes.length - 2]?.call.seq ?? 0);
        }
      }
    });
    if (grown) this.refresh();
  }

  private refresh(): void {
    this.rows = this.model.rows();
    this.grid.show(this.rows, this.selected);
  }

  // fill loads what is missing at the end of a list that is seen.
  private fill(seen: Row[]): void {
    if (this.loading > 0) return;
    for (const row of seen) {
      if (row.kind === "gap" && row.tail && row.list.nodes.length > 0) {
        void this.fillGap(row);
        return;
      }
    }
  }

  private async fillGap(row: Row): Promise<void> {
    if (row.kind !== "gap") return;
    const after = row.list.nodes[row.at - 1]?.call.seq ?? 0;
    if (!(await this.attempt(() => this.load(row.list, after)))) return;
    const first = row.list.nodes.find((n) => n.call.seq > after);
    const chosen = this.selected === row.key;
    if (chosen && first) this.selected = `c${first.call.seq}`;
    this.refresh();
    if (chosen) this.choose(this.selected);
  }

  // leap goes into the middle of calls that are not loaded, or to the last of them, whatever lies before that.
  private async leap(row: Row, to: "middle" | "last"): Promise<void> {
    if (row.kind !== "gap") return;
    const { list, at } = row;
    const previous = list.nodes[at - 1]?.call;
    const from = previous?.end_seq ?? previous?.seq ?? list.parent?.call.seq ?? 0;
    const until = list.nodes[at]?.call.seq ?? 0; // 0: the list's end
    const end = until || (list.parent?.call.end_seq ?? Number(this.place.dataset["events"] ?? 0));
    const before = to === "middle" ? Math.ceil((from + end) / 2) + 1 : until;
    this.say("");
    let chosen = 0;
    const done = await this.attempt(async () => {
      const page = await this.source.childrenBefore(list.parent?.call.seq ?? this.model.above, this.goroutine, before);
      const last = page.calls[page.calls.length - 1];
      if (!last || last.seq < from) return; // nothing begins in the first half
      this.model.takeBefore(list.parent, before, page.calls, page.before === undefined);
      chosen = last.seq;
    });
    if (!done) return;
    if (chosen === 0) return this.fillGap(row);
    this.write(false); // where one comes back to
    this.refresh();
    this.choose(`c${chosen}`, true);
  }

  // end goes to the last row. When that stands for further calls, it goes to the last one of them.
  private end(): void {
    const last = this.rows[this.rows.length - 1];
    if (last?.kind === "gap" && last.tail && this.source.run !== "") void this.leap(last, "last");
    else this.move(this.rows.length);
  }

  private get at(): number {
    return this.rows.findIndex((r) => r.key === this.selected);
  }

  // choose selects a row. jump: going back leads to where one was before.
  private choose(key: string, jump = false): void {
    if (!this.select(key) || this.source.run === "") return;
    window.clearTimeout(this.writing);
    if (jump) this.write(true);
    else this.writing = window.setTimeout(() => this.write(false), 120); // a held key would write it far too often
  }

  // select selects a row and leaves the address as it is.
  private select(key: string): boolean {
    const row = this.rows.find((r) => r.key === key);
    if (!row) return false;
    this.selected = key;
    this.grid.select(key);
    this.grid.reveal(key);
    this.detail.replaceChildren();
    if (row.kind === "call") {
      const call = row.node.call;
      this.detail.append(element("span", { class: "dim" }, `call ${count(call.seq)} `), ...signature(call, this.source.address(call.seq), 2000));
    }
    return true;
  }

  // write puts the view in the address.
  private write(jump: boolean): void {
    if (this.source.run === "") return;
    window.clearTimeout(this.writing);
    const row = this.rows[this.at];
    const call = row?.kind === "call" ? row.node.call : null;
    const query = new URLSearchParams(location.search);
    for (const name of ["at", "open", "fold", "f", "after", "n"]) query.delete(name);
    if (call) query.set("at", String(call.seq));
    if (this.input.value !== "") query.set("f", this.input.value);
    if (this.model.fold) query.set("fold", "1");
    const around = new Set<number>();
    for (let n = row?.kind === "call" ? row.node.parent : null; n; n = n.parent) around.add(n.call.seq);
    const open = this.rows.flatMap((r) => (r.kind === "call" && r.node.open && !around.has(r.node.call.seq) ? [r.node.call.seq] : []));
    query.set("open", open.slice(0, openKept).join(","));
    const address = `${location.pathname}?${query.toString().replace(/%2C/g, ",")}`;
    const state = { top: this.grid.root.scrollTop };
    if (jump && address !== location.pathname + location.search) history.pushState(state, "", address);
    else history.replaceState(state, "", address);
    followFocus(this.source.run, "tree", call);
  }

  private move(by: number): void {
    const to = Math.max(0, Math.min(this.rows.length - 1, this.at + by));
    const row = this.rows[to];
    if (row) this.choose(row.key);
  }

  // toggle opens or closes a row, or loads what it stands for.
  private async toggle(row: Row, open?: boolean): Promise<void> {
    switch (row.kind) {
      case "call":
        if (open ?? !row.node.open) await this.attempt(() => this.expand(row.node));
        else row.node.open = false;
        break;
      case "fold":
        this.model.setFolded(row.nodes, !(open ?? !row.open));
        break;
      case "gap":
        return this.fillGap(row);
      case "up":
        return this.jump(row.seq);
    }
    this.refresh();
    this.choose(row.key);
  }

  // jump goes to a call, wherever it is.
  private async jump(seq: number): Promise<void> {
    this.write(false); // where one comes back to
    await this.attempt(async () => {
      await this.bring(seq, false);
      this.refresh();
      this.choose(`c${seq}`, true);
    });
  }

  private async step(to: Step): Promise<void> {
    const row = this.rows[this.at];
    if (row?.kind !== "call") return;
    this.say("");
    await this.attempt(async () => this.jump(await this.source.step(row.node.call.seq, to)));
  }

  // search goes to the next or previous match behind the selected call.
  private async search(back: boolean): Promise<void> {
    const filter = this.input.value.trim();
    if (filter === "") {
      this.say("");
      this.write(false);
      return;
    }
    this.searching?.abort();
    const stop = new AbortController();
    this.searching = stop;
    const row = this.rows[this.at];
    const selected = row?.kind === "call" ? row.node.call.seq : 0;
    // A match may be the end of a call: the next one is looked for behind it, and not behind the call's beginning.
    const from = this.hit && this.hit.call === selected ? this.hit.seq : selected;
    this.say("searching …");
    await this.attempt(async () => {
      const progress = (seq: number): void => this.say(`searching, at event ${count(seq)} … (Esc stops)`);
      const hit = await this.source.search(filter, this.goroutine, back ? Math.max(1, from) : from + 1, back, progress, stop.signal);
      if (!hit || hit.call === 0) {
        this.say(back ? "nothing before the selected call" : "nothing behind the selected call");
        this.write(false);
        return;
      }
      this.hit = hit;
      this.say("");
      await this.jump(hit.call);
    });
    if (stop.signal.aborted) this.say("stopped");
    if (this.searching === stop) this.searching = null;
  }

  private setFold(fold: boolean): void {
    this.setFoldButton(fold);
    this.refresh();
    if (this.at < 0) this.choose(this.rows[0]?.key ?? "");
    else this.choose(this.selected);
  }

  private setFoldButton(fold: boolean): void {
    this.model.fold = fold;
    this.folding.setAttribute("aria-pressed", String(fold));
  }

  private closeOthers(): void {
    const row = this.rows[this.at];
    for (const node of this.model.nodes.values()) node.open = false;
    for (let n = row?.kind === "call" ? row.node.parent : null; n; n = n.parent) n.open = true;
    this.refresh();
    this.choose(this.at < 0 ? this.rows[0]?.key ?? "" : this.selected);
  }

  private click(event: MouseEvent): void {
    const row = this.grid.rowOf(event.target);
    if (!row || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const target = event.target as Element;
    if (target.closest("a")) return;
    this.grid.root.focus({ preventScroll: true });
    const leap = target.closest<HTMLElement>("[data-leap]")?.dataset["leap"];
    if (leap === "middle" || leap === "last") {
      void this.leap(row, leap);
      return;
    }
    if (row.kind !== "call" || target.closest(".twist")) {
      void this.toggle(row);
      return;
    }
    this.write(false);
    this.choose(row.key, true);
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target)) return;
    const grid = this.grid.root;
    if (grid.offsetParent === null) return; // on a part of a report that is not seen
    const inside = event.target instanceof Element && grid.contains(event.target);
    const act = this.keys(event.key, inside);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    if (!inside) grid.focus({ preventScroll: true });
    act();
  }

  // keys is what a key does. Those that also move the page or press buttons are the tree's only while it has the keyboard.
  private keys(key: string, inside: boolean): (() => void) | null {
    const row = this.rows[this.at];
    switch (key) {
      case "j": return () => this.move(1);
      case "k": return () => this.move(-1);
      case "n": return () => void this.step("next");
      case "p": return () => void this.step("previous");
      case "o": return () => void this.step("into");
      case "u": return () => void this.step("out");
      case "r": return () => this.setFold(!this.model.fold);
      case "m": return row?.kind === "gap" ? () => void this.leap(row, "middle") : null;
      case "[": return () => this.closeOthers();
      case "]": return () => { if (row) void this.toggle(row, true); };
    }
    if (!inside) return null;
    switch (key) {
      case "ArrowDown": return () => this.move(1);
      case "ArrowUp": return () => this.move(-1);
      case "PageDown": return () => this.move(this.grid.perPage);
      case "PageUp": return () => this.move(-this.grid.perPage);
      case "Home": return () => this.move(-this.rows.length);
      case "End": return () => this.end();
      case " ": return () => { if (row) void this.toggle(row); };
      case "Enter": return () => this.enter(row);
      case "ArrowRight": return () => this.right(row);
      case "ArrowLeft": return () => this.left(row);
    }
    return null;
  }

  private enter(row: Row | undefined): void {
    if (row && row.kind !== "call") void this.toggle(row);
    const address = row?.kind === "call" ? this.source.address(row.node.call.seq) : "";
    if (address === "") return;
    if (this.source.run !== "") this.write(false);
    location.assign(address);
  }

  // right opens a row, or goes to what is below it.
  private right(row: Row | undefined): void {
    if (!row) return;
    const below = this.rows[this.at + 1];
    if (isOpen(row) && below && below.level > row.level) this.choose(below.key);
    else if (row.kind === "call" ? !row.node.leaf : true) void this.toggle(row, true);
  }

  // left closes a row, or goes to what it is below.
  private left(row: Row | undefined): void {
    if (!row) return;
    if (isOpen(row)) {
      void this.toggle(row, false);
      return;
    }
    for (let at = this.at - 1; at >= 0; at--) {
      const around = this.rows[at] as Row;
      if (around.level < row.level) {
        this.choose(around.key);
        return;
      }
    }
  }
}

function isOpen(row: Row): boolean {
  return row.kind === "call" ? row.node.open : row.kind === "fold" && row.open;
}
