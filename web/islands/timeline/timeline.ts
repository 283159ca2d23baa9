// The time line: a canvas that shows goroutines side by side, from all of a run to some nanoseconds of it. It asks the server for
// pieces as it needs them; the address always says what is seen.
import { Answer, CallDetails, ask } from "./data";
import { Hit, Picture, View, axis, colours } from "./draw";
import { duration, moment, parameter, parseParameter, shown } from "./format";
import { linksFollow, withFilter } from "../focus";
import { Tiles, chunk } from "./tiles";

const shortest = 10; // ns
const most = 100; // goroutines on a page
const patience = 1000; // ms that a load may take before a button offers to stop it
const settled = 400; // ms without a movement, after which the address follows

// mountTimeline draws the time line in its place, when it can.
export function mountTimeline(place: HTMLElement): void {
  new Timeline(place).start();
}

function element<K extends keyof HTMLElementTagNameMap>(name: K, className = "", text = ""): HTMLElementTagNameMap[K] {
  const e = document.createElement(name);
  if (className) e.className = className;
  if (text) e.textContent = text;
  return e;
}

class Timeline {
  private readonly run: string; // address of the run
  private readonly source: string;
  private readonly begin: number; // a little before the run's first call
  private whole: number;
  private readonly tiles: Tiles;
  private readonly picture: Picture;
  private readonly canvas = element("canvas", "timeline-canvas");
  private readonly tip = element("div", "timeline-tip");
  private readonly range = element("div", "timeline-range");
  private readonly window = element("b");
  private readonly status = element("p", "dim timeline-status");
  private readonly details = element("aside", "selection");
  private readonly pager = element("p", "quick");
  private readonly plain = element("a", "", "as tables");
  private view: View = { from: 0, to: 1, y: 0, at: 0, goroutine: 0 };
  private list: number[] = []; // goroutines
  private fixed: boolean | undefined; // whether the list is that of the whole run
  private after = 0;
  private next = 0;
  private chosen = ""; // goroutines by number or name
  private groups = new Map<number, { name: string; members: number[] }>();
  private error = 0; // seq of the error that was stepped to
  private pointer = { x: -1, y: -1 };
  private drawn = 0;
  private timer = 0;
  private detailsOf = 0;
  private focused = ""; // the call in focus, in words
  private growing: Promise<void> = Promise.resolve();
  private readonly stop = element("button", "", "Stop");
  private slow = 0; // the timer after which it shows
  private listing = new AbortController();
  private describing = new AbortController();

  constructor(private readonly place: HTMLElement) {
    this.run = place.dataset["run"] ?? "";
    this.source = `${this.run}/timeline.json`;
    this.begin = Number(place.dataset["begin"]);
    this.whole = Number(place.dataset["whole"]);
    this.tiles = new Tiles(this.source, () => {
      this.picture.layout(this.list);
      this.schedule();
    });
    this.picture = new Picture(this.tiles, this.canvas, colours());
  }

  // start replaces what the server drew once there is something to show.
  start(): void {
    if (location.protocol === "file:") { // a report: there is no server to ask, and what it drew stays
      this.place.dataset["mounted"] = "";
      return;
    }
    this.view.from = Number(this.place.dataset["from"]);
    this.view.to = Number(this.place.dataset["to"]);
    this.read();
    void this.choose().then(() => {
      this.build();
      this.listen();
      this.select(this.view.at, false);
      this.schedule();
      this.place.dataset["mounted"] = "";
    }).catch(() => undefined); // what the server drew stays
  }

  // read takes the view from the address. Without a window the server's choice stands.
  private read(): void {
    const query = new URLSearchParams(location.search);
    const from = parseParameter(query.get("from") ?? "");
    const to = parseParameter(query.get("to") ?? "");
    if (from !== null || to !== null) this.move(from ?? 0, to ?? this.whole);
    this.view.at = Number(query.get("at") ?? 0) || 0;
    this.view.y = Number(query.get("y") ?? 0) || 0;
    this.after = Number(query.get("after") ?? 0) || 0;
    this.chosen = query.get("goroutines") ?? query.get("g") ?? "";
  }

  // address is that of what is seen.
  private address(): string {
    const query = new URLSearchParams(location.search);
    const set = (name: string, value: string | number) => {
      if (value === "" || value === 0) query.delete(name);
      else query.set(name, String(value));
    };
    const { from, to } = this.rounded();
    set("from", from === 0 ? "" : parameter(from));
    query.set("to", parameter(to));
    set("at", this.view.at);
    set("y", Math.round(this.view.y));
    set("after", this.after);
    query.delete("n");
    return `${location.pathname}?${query}`;
  }

  private rounded(): { from: number; to: number } {
    const from = Math.max(0, Math.round(this.view.from));
    return { from, to: Math.max(Math.round(this.view.to), from + shortest) };
  }

  // choose finds the goroutines of the page: those of the whole run when they fit, otherwise those of the window.
  private async choose(): Promise<void> {
    this.listing.abort();
    this.listing = new AbortController();
    const query = new URLSearchParams({ n: String(most), px: "1" });
    const filter = new URLSearchParams(location.search);
    for (const name of ["goroutines", "g"]) {
      const value = filter.get(name);
      if (value) query.set(name, value);
    }
    if (this.after) query.set("after", String(this.after));
    const { from, to } = this.rounded();
    let answer: Answer | undefined;
    if (this.fixed === undefined) {
      answer = await ask<Answer>(`${this.source}?${query}`, this.listing.signal);
      this.fixed = answer.after === undefined && this.after === 0;
    }
    if (!this.fixed) {
      query.set("from", String(from));
      query.set("to", String(to));
      answer = await ask<Answer>(`${this.source}?${query}`, this.listing.signal);
    }
    if (!answer) return;
    this.tiles.learn(answer);
    this.next = answer.after ?? 0;
    this.list = answer.tracks.map((t) => t.goroutine.id);
    this.groups.clear();
    for (let i = 0; i < this.list.length; i += chunk) {
      const members = this.list.slice(i, i + chunk);
      const group = { name: members.join(","), members };
      for (const g of members) this.groups.set(g, group);
    }
    this.picture.layout(this.list);
    this.pages();
  }

  // grow takes over what a run that is being recorded has come to. Who sees its end goes on seeing it.
  private async grow(): Promise<void> {
    const before = this.whole;
    const { from, to } = this.view;
    const query = new URLSearchParams({ n: "1", px: "1", from: "0", to: String(shortest) });
    this.whole = (await ask<Answer>(`${this.source}?${query}`, new AbortController().signal)).whole_ns;
    if (this.view.from === from && this.view.to === to && to >= before) this.move(from <= this.begin ? from : from + this.whole - before, this.whole);
    if (this.fixed) this.fixed = undefined; // there may be more goroutines than fit
    await this.choose();
    this.tiles.grew();
    this.schedule();
  }

  private build(): void {
    const bar = element("div", "timeline-bar");
    const button = (text: string, title: string, act: () => void) => {
      const b = element("button", "", text);
      b.type = "button";
      b.title = title;
      b.addEventListener("click", act);
      bar.append(b);
    };
    bar.append(this.window);
    button("+", "Zoom in (w)", () => this.zoom(0.5));
    button("−", "Zoom out (s)", () => this.zoom(2));
    button("‹", "Earlier (a)", () => this.pan(-0.3));
    button("›", "Later (d)", () => this.pan(0.3));
    button("whole run", "The whole run, from its first call on (0)", () => this.jump(this.begin, this.whole));
    button("‹ error", "Previous error (p)", () => void this.step(false));
    button("error ›", "Next error (n)", () => void this.step(true));
    this.stop.type = "button";
    this.stop.hidden = true;
    this.stop.addEventListener("click", () => this.halt());
    bar.append(this.stop, this.plain);
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-roledescription", "time line");
    this.canvas.setAttribute("aria-label", "Goroutines over time. w and s zoom, a and d move, 0 shows the whole run, n and p step through errors, Enter opens the call in focus.");
    this.status.setAttribute("role", "status");
    this.details.setAttribute("aria-label", "The call in focus");
    this.details.hidden = true;
    this.tip.hidden = this.range.hidden = true;
    const stage = element("div", "timeline-stage");
    stage.append(this.canvas, this.range, this.tip);
    const beside = element("div", "beside picture-first");
    const main = element("div", "main");
    main.append(stage, this.status, this.pager);
    beside.append(main, this.details); // in a narrow window the details come below: nothing moves
    const overview = this.place.querySelector(".overview");
    const legend = this.place.querySelector(".legend");
    if (legend) main.append(legend);
    this.place.replaceChildren(bar, ...(overview ? [overview] : []), beside);
    // The bar above would speak of the call that was in focus when the page came.
    const focus = document.querySelector<HTMLElement>("body > .focus");
    if (focus?.querySelector(".focus-g")) focus.querySelectorAll(":scope > .focus-name, :scope > .steps, :scope > .clear").forEach((e) => e.remove());
    else focus?.remove();
  }

  private listen(): void {
    document.addEventListener("keydown", (e) => this.key(e), { capture: true });
    window.addEventListener("popstate", () => this.back());
    // One after the other; one that fails is made good by the next.
    document.addEventListener("recording-grew", () => { this.growing = this.growing.then(() => this.grow()).catch(() => undefined); });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.picture.palette = colours();
      this.schedule();
    });
    new ResizeObserver(() => this.schedule()).observe(this.canvas);
    this.canvas.addEventListener("wheel", (e) => this.wheel(e), { passive: false });
    this.canvas.addEventListener("pointerdown", (e) => this.press(e));
    this.canvas.addEventListener("pointermove", (e) => this.hover(e));
    this.canvas.addEventListener("pointerleave", () => {
      this.pointer = { x: -1, y: -1 };
      this.tip.hidden = true;
    });
    this.canvas.addEventListener("dblclick", (e) => {
      const hit = this.picture.at(e.offsetX, e.offsetY);
      if (hit?.call) this.fit(hit.call.time_ns, hit.call.end_ns ?? this.whole);
    });
    // Without the filter the window stays where it is.
    const unfiltered = document.querySelector<HTMLAnchorElement>(".filters .unfiltered");
    unfiltered?.addEventListener("click", () => {
      const address = new URL(this.address(), location.href);
      address.searchParams.delete("f");
      unfiltered.href = address.pathname + address.search;
    });
    this.place.querySelector(".overview")?.addEventListener("click", (e) => {
      const link = e.target instanceof Element ? e.target.closest("a") : null;
      if (!link) return;
      const query = new URL(link.getAttribute("href") ?? "", location.href).searchParams;
      e.preventDefault();
      this.jump(parseParameter(query.get("from") ?? "") ?? 0, parseParameter(query.get("to") ?? "") ?? this.whole);
    });
  }

  // schedule draws before the next frame, however often it is asked to.
  private schedule(): void {
    if (this.drawn) return;
    this.drawn = requestAnimationFrame(() => {
      this.drawn = 0;
      this.draw();
    });
  }

  private draw(): void {
    const width = this.canvas.clientWidth;
    const height = Math.max(120, Math.min(Math.round(window.innerHeight * 0.7), this.picture.height + 4));
    this.canvas.style.height = `${height}px`;
    this.view.y = Math.max(0, Math.min(this.view.y, this.picture.height - height));
    const length = this.view.to - this.view.from;
    const level = Tiles.level(length);
    const size = 2 ** level;
    const numbers: number[] = [];
    for (let n = Math.floor(Math.max(0, this.view.from) / size); n * size < Math.min(this.view.to, this.whole); n++) numbers.push(n);
    const groups = new Map<string, number[]>();
    for (const g of this.picture.visible(this.view.y, height)) {
      const group = this.groups.get(g);
      if (group) groups.set(group.name, group.members);
    }
    this.tiles.want(level, numbers, groups, this.whole);
    this.picture.draw(this.view, width, height, level, Tiles.level(this.whole), (g) => this.groups.get(g)?.name ?? "");
    this.window.textContent = `${moment(this.view.from, length / 100)} … ${moment(this.view.to, length / 100)} `;
    const mark = this.place.querySelector(".overview .window");
    mark?.setAttribute("x", String((this.view.from / this.whole) * 1000));
    mark?.setAttribute("width", String(Math.max(2, (length / this.whole) * 1000)));
    this.offerStop();
    const state = this.tiles.busy ? "loading" : "ready";
    if (state !== this.place.dataset["state"]) {
      this.place.dataset["state"] = state;
      if (state === "ready") this.say();
    }
  }

  // offerStop shows a button while something takes long to come, and after it was pressed.
  private offerStop(): void {
    const { held, unfinished } = this.tiles;
    if (!held && unfinished && this.slow !== 0) return;
    clearTimeout(this.slow);
    this.slow = held || !unfinished ? 0 : window.setTimeout(() => { this.stop.hidden = !this.tiles.unfinished; }, patience);
    this.stop.hidden = !held;
    this.stop.textContent = held ? "Load" : "Stop";
    this.stop.title = held ? "Load what is missing" : "Stop loading (Esc)";
  }

  // halt gives up what is still to come, or goes on with it.
  private halt(): void {
    if (this.tiles.held) this.tiles.release();
    else this.tiles.hold();
    this.schedule();
    this.say();
  }

  // move changes the window, within the run.
  private move(from: number, to: number): void {
    const length = Math.max(shortest, Math.min(this.whole, to - from));
    this.view.from = Math.max(0, Math.min(from, this.whole - length));
    this.view.to = this.view.from + length;
  }

  private zoom(factor: number, x?: number): void {
    const { from, to } = this.view;
    const share = x !== undefined ? x / this.canvas.clientWidth : this.pointer.x >= 0 ? this.pointer.x / this.canvas.clientWidth : 0.5;
    const length = Math.max(shortest, Math.min(this.whole, (to - from) * factor));
    const start = from + (to - from - length) * share;
    this.move(start, start + length);
    this.moved();
  }

  private pan(share: number): void {
    const by = (this.view.to - this.view.from) * share;
    this.move(this.view.from + by, this.view.to + by);
    this.moved();
  }

  // moved draws at once; the address follows when the movement is over.
  private moved(): void {
    this.tip.hidden = true;
    this.tiles.release();
    this.schedule();
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.settle(), settled);
  }

  private settle(): void {
    clearTimeout(this.timer);
    const address = this.address();
    if (address !== location.pathname + location.search) history.pushState(null, "", address);
    this.say();
    if (!this.fixed) void this.choose().then(() => this.schedule()).catch(() => undefined);
  }

  // jump shows another window, and is a step that "back" takes back.
  private jump(from: number, to: number): void {
    this.move(from, to);
    this.tiles.release();
    this.schedule();
    this.settle();
  }

  private fit(from: number, to: number): void {
    const margin = Math.max(shortest, (to - from) / 4);
    this.jump(from - margin, to + margin);
  }

  private back(): void {
    clearTimeout(this.timer);
    const { after, chosen } = this;
    this.read();
    if (!new URLSearchParams(location.search).has("to")) this.move(Number(this.place.dataset["from"]), Number(this.place.dataset["to"]));
    if (after !== this.after || chosen !== this.chosen) {
      location.reload();
      return;
    }
    this.select(this.view.at, false);
    this.schedule();
    this.say();
  }

  // say tells people who do not see the picture what it shows.
  private say(): void {
    const length = this.view.to - this.view.from;
    const visible = this.list.length === 1 ? "1 goroutine" : `${this.list.length} goroutines`;
    this.status.textContent = this.tiles.problem || `${this.tiles.held ? "Loading was stopped. " : ""}${this.view.at ? this.focused : ""}${duration(length)} from ${moment(this.view.from, length)}, ${visible}, ${this.picture.listed} calls drawn one by one${this.picture.filtered ? `, ${this.picture.chosen} of which match the filter; all others are dimmed` : ""}.`;
    const plain = new URL(this.address(), location.href);
    plain.searchParams.set("plain", "1");
    plain.searchParams.delete("y");
    this.plain.href = plain.pathname + plain.search;
    const { from, to } = this.rounded();
    for (const [name, ns] of [["from", from], ["to", to]] as const) {
      const input = document.querySelector<HTMLInputElement>(`.filters input[name=${name}]`);
      if (input && document.activeElement !== input) input.value = parameter(ns);
    }
  }

  private pages(): void {
    this.pager.replaceChildren();
    const link = (text: string, after: number) => {
      const a = element("a", "", text);
      const query = new URLSearchParams(location.search);
      if (after) query.set("after", String(after));
      else query.delete("after");
      query.delete("y");
      a.href = `${location.pathname}?${query}`;
      a.addEventListener("click", () => {
        const { from, to } = this.rounded();
        query.set("from", parameter(from));
        query.set("to", parameter(to));
        a.href = `${location.pathname}?${query}`;
      });
      this.pager.append(a, " ");
      return a;
    };
    if (this.after) link("« first goroutines", 0);
    if (this.next) link("more goroutines ›", this.next).dataset["key"] = "]";
  }

  private key(e: KeyboardEvent): void {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const on = e.target;
    if (on instanceof HTMLInputElement || on instanceof HTMLTextAreaElement || on instanceof HTMLSelectElement) return;
    const free = on === this.canvas || on === document.body || !(on instanceof HTMLElement) || on.id === "content";
    const act = this.keys(e.key, free);
    if (!act) return;
    e.preventDefault();
    e.stopPropagation();
    act();
  }

  private keys(key: string, free: boolean): (() => void) | undefined {
    switch (key) {
      case "w": case "+": case "=": return () => this.zoom(0.7);
      case "s": case "-": return () => this.zoom(1 / 0.7);
      case "a": return () => this.pan(-0.15);
      case "d": return () => this.pan(0.15);
      case "0": return () => this.jump(this.begin, this.whole);
      case "n": case "e": return () => void this.step(true);
      case "p": case "E": return () => void this.step(false);
      case "Escape": if (!this.stop.hidden && !this.tiles.held) return () => this.halt();
        return this.view.at ? () => this.select(0, true) : undefined;
      case "f": return this.view.at ? () => void this.show(this.view.at) : undefined;
      default:
    }
    if (!free) return undefined;
    switch (key) {
      case "ArrowLeft": return () => this.pan(-0.15);
      case "ArrowRight": return () => this.pan(0.15);
      case "ArrowUp": return () => this.scroll(-60);
      case "ArrowDown": return () => this.scroll(60);
      case "Enter": return this.view.at ? () => location.assign(withFilter(`${this.run}/call/${this.view.at}`)) : () => this.middle();
      default: return undefined;
    }
  }

  private scroll(by: number): void {
    this.view.y += by;
    this.moved();
  }

  // middle puts a call in the middle of the picture in focus, so that keys alone reach one.
  private middle(): void {
    const x = this.canvas.clientWidth / 2;
    const hit = this.picture.hits.find((h) => h.call && h.x <= x && h.x + h.w >= x) ?? this.picture.hits.find((h) => h.call);
    if (hit?.call) this.select(hit.call.seq, true, hit.goroutine);
  }

  private wheel(e: WheelEvent): void {
    e.preventDefault();
    if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
      this.pan(((e.deltaX || e.deltaY) / this.canvas.clientWidth) * 0.8);
      return;
    }
    this.zoom(Math.min(4, Math.max(0.25, 1.0018 ** e.deltaY)), e.offsetX);
  }

  // press begins a drag: it moves the picture, or with shift chooses a stretch. Without a movement it was a click.
  private press(e: PointerEvent): void {
    if (e.button !== 0) return;
    this.canvas.setPointerCapture(e.pointerId);
    const start = { x: e.offsetX, y: e.offsetY, from: this.view.from, to: this.view.to, top: this.view.y };
    const choosing = e.shiftKey;
    let far = false;
    const drag = (m: PointerEvent) => {
      far ||= Math.abs(m.offsetX - start.x) + Math.abs(m.offsetY - start.y) > 4;
      if (!far) return;
      if (choosing) {
        this.range.hidden = false;
        this.range.style.left = `${Math.min(start.x, m.offsetX)}px`;
        this.range.style.width = `${Math.abs(m.offsetX - start.x)}px`;
        return;
      }
      const by = ((start.x - m.offsetX) / this.canvas.clientWidth) * (start.to - start.from);
      this.move(start.from + by, start.to + by);
      this.view.y = start.top + start.y - m.offsetY;
      this.moved();
    };
    const end = (m: PointerEvent) => {
      this.canvas.removeEventListener("pointermove", drag);
      this.canvas.removeEventListener("pointerup", end);
      this.canvas.removeEventListener("pointercancel", end);
      this.range.hidden = true;
      if (m.type === "pointercancel") return;
      if (!far) this.click(m);
      else if (choosing) {
        const ns = (x: number) => start.from + (x / this.canvas.clientWidth) * (start.to - start.from);
        this.jump(ns(Math.min(start.x, m.offsetX)), ns(Math.max(start.x, m.offsetX)));
      }
    };
    this.canvas.addEventListener("pointermove", drag);
    this.canvas.addEventListener("pointerup", end);
    this.canvas.addEventListener("pointercancel", end);
  }

  private click(e: PointerEvent): void {
    const hit = this.picture.at(e.offsetX, e.offsetY);
    if (!hit) return;
    if (hit.call) this.select(hit.call.seq, true, hit.goroutine);
    else if (hit.mark && hit.mark.count === 1) location.assign(`${this.run}/events?from=${hit.mark.seq}`);
    else if (hit.mark) this.fit(hit.mark.time_ns, hit.mark.last_ns);
    else if (hit.from !== undefined && hit.to !== undefined) this.fit(hit.from, hit.to);
  }

  private hover(e: PointerEvent): void {
    this.pointer = { x: e.offsetX, y: e.offsetY };
    const hit: Hit | undefined = e.buttons === 0 && e.offsetY > axis ? this.picture.at(e.offsetX, e.offsetY) : undefined;
    this.tip.hidden = !hit;
    this.canvas.style.cursor = hit ? "pointer" : "";
    if (!hit) return;
    this.tip.textContent = hit.text;
    this.tip.style.left = `${Math.max(0, Math.min(e.offsetX + 12, this.canvas.clientWidth - this.tip.offsetWidth - 4))}px`;
    this.tip.style.top = `${e.offsetY + 16}px`;
  }

  // select puts a call in focus; 0: none.
  private select(seq: number, own: boolean, goroutine = 0): void {
    this.view.at = seq;
    linksFollow(seq);
    if (own) this.error = 0;
    if (seq !== this.detailsOf || goroutine) this.view.goroutine = goroutine;
    if (own) this.settle();
    this.schedule();
    if (seq === this.detailsOf) return;
    this.detailsOf = seq;
    this.describing.abort();
    if (!seq) {
      this.details.hidden = true;
      this.say();
      return;
    }
    void this.describe(seq);
  }

  // call asks for a call; null when something else is in focus by now.
  private async call(seq: number): Promise<CallDetails["call"] | null> {
    this.describing.abort();
    this.describing = new AbortController();
    const { signal } = this.describing;
    try {
      return (await ask<CallDetails>(`${this.run}/call/${seq}.json`, signal)).call;
    } catch (error) {
      if (!signal.aborted) this.status.textContent = error instanceof Error ? error.message : String(error);
      return null;
    }
  }

  // describe shows what is known of the call in focus.
  private async describe(seq: number): Promise<void> {
    const call = await this.call(seq);
    if (!call || this.view.at !== seq) return;
    this.view.goroutine = call.goroutine;
    const d = this.details;
    const link = (text: string, address: string) => {
      const a = element("a", "", text);
      a.href = withFilter(this.run + address);
      return a;
    };
    const heading = element("h2", "", "In focus");
    const name = link(shown(call.function, 160), `/call/${seq}`);
    name.className = "fn";
    const facts = element("dl", "facts");
    const fact = (key: string, text: string | HTMLElement, className = "") => {
      const value = element("dd", className);
      value.append(text);
      facts.append(element("dt", "", key), value);
    };
    fact("took", call.duration_ns === null || call.duration_ns === undefined ? "not known" : duration(call.duration_ns));
    if (call.self_ns !== null && call.self_ns !== undefined) fact("by itself", duration(call.self_ns));
    fact("began", moment(call.time_ns, 1));
    fact("goroutine", link(`g${call.goroutine}`, `/tree?g=${call.goroutine}`));
    const parent = this.tiles.goroutines.get(call.goroutine);
    if (parent && parent.parent_goroutine) {
      const where = `g${parent.parent_goroutine}${parent.created_in ? ` in ${shown(parent.created_in, 80)}` : ""}${parent.created_line ? `:${parent.created_line}` : ""}`;
      fact("started by", parent.created_by ? link(where, `/timeline?at=${parent.created_by}`) : where);
    }
    if (call.outcome && call.outcome !== "returned") fact("outcome", call.outcome, "alarm");
    for (const v of call.args ?? []) fact(shown(v.name, 40) || "argument", element("code", "", shown(v.value, 200)));
    for (const v of call.results ?? []) fact(`→ ${shown(v.name, 40)}`, element("code", call.failed ? "alarm" : "", shown(v.value, 200)));
    if (call.file) fact("source", `${shown(call.file.split("/").pop() ?? "", 60)}:${call.line}`);
    const ways = element("p", "quick");
    ways.append(link("its page", `/call/${seq}`), link("in the tree", `/tree?at=${seq}`), link("in the details", `/events?at=${seq}`));
    const fit = element("button", "quiet", "show all of it (f)");
    fit.type = "button";
    fit.addEventListener("click", () => void this.show(seq));
    ways.append(fit);
    d.replaceChildren(heading, name, facts, ways);
    d.hidden = false;
    this.schedule();
    this.focused = `In focus: ${shown(call.function, 160)}. `;
    this.say();
  }

  // show makes a call fill the window, and brings its goroutine into sight.
  private async show(seq: number): Promise<void> {
    const call = await this.call(seq);
    if (!call) return;
    const top = this.picture.top(call.goroutine);
    if (top !== undefined && (top < this.view.y + axis || top > this.view.y + this.canvas.clientHeight - 60)) this.view.y = top - axis - 20;
    const took = call.duration_ns ?? this.whole - call.time_ns;
    this.view.at = seq;
    this.fit(call.time_ns, call.time_ns + took);
    this.detailsOf = 0;
    this.select(seq, false, call.goroutine);
  }

  // step leads to the next or previous error.
  private async step(forward: boolean): Promise<void> {
    const query = new URLSearchParams({ to: "error", view: "timeline" });
    const at = this.error || this.view.at;
    if (forward) query.set("from", String(at ? at + 1 : this.first()));
    else query.set("before", String(at || this.first()));
    const g = new URLSearchParams(location.search).get("g");
    if (g) query.set("g", g);
    try {
      const found = await ask<{ call: number; event: number }>(`${this.run}/go.json?${query}`, new AbortController().signal);
      await this.show(found.call);
      this.error = found.event;
    } catch (error) {
      this.status.textContent = error instanceof Error ? error.message : String(error);
    }
  }

  // first is the seq of the first call in sight.
  private first(): number {
    let seq = 0;
    for (const h of this.picture.hits) {
      if (h.call && h.call.time_ns >= this.view.from && (seq === 0 || h.call.seq < seq)) seq = h.call.seq;
    }
    return seq || 1;
  }
}
