// The flame graph: calls merged by stack, on a canvas. The keyboard walks through boxes; what it is at is said in words beside it.
import { Problem, ask } from "../answers";
import { element, isTyping } from "../elements";
import { shown } from "../text";
import { duration, plural } from "../units";
import { type Box, type Stack, type Weight, each, layout, matcher, weightOf } from "./layout";
import { paint, rowHeight } from "./paint";

interface Answer {
  weight: Weight;
  inverted?: boolean;
  partial: boolean;
  path?: { id: number; function: string }[];
  stack: Stack;
  hidden: number;
  matched?: { calls: number; total_ns: number };
}

const narrowest = 0.4; // px of a box that is drawn
const most = 20_000; // stacks that are asked for

let graphs = 0;

// mountFlame draws the graph in place of its table. The place says where its data is (data-source).
export function mountFlame(place: HTMLElement): void {
  const source = place.dataset["source"] ?? "";
  const data = place.querySelector('script[type="application/json"]')?.textContent ?? "";
  if (source !== "" || data !== "") void new Flame(place, source, data).start();
}

class Flame {
  private answer: Answer | null = null;
  private root: Box | null = null;
  private current: Box | null = null;
  private words = ""; // of the search
  private kept = ""; // path of the box that was chosen when the page was left
  private readonly canvas: HTMLCanvasElement;
  private readonly frame: HTMLElement;
  private readonly about: HTMLElement;
  private readonly search: HTMLInputElement;
  private readonly status: HTMLElement;
  private asked = false;
  private readonly outer: Stack[] = []; // in a report: what was drawn before, the whole first

  // data is the graph of a report, which has no source to ask.
  constructor(private readonly place: HTMLElement, private readonly source: string, private readonly data: string) {
    this.canvas = element("canvas", { class: "flame-canvas", "aria-hidden": "true" });
    const id = `flame-about${++graphs}`;
    this.about = element("p", { class: "flame-about", id, role: "status" });
    this.frame = element("div", {
      class: "flame-frame", tabindex: 0, role: "application", "aria-label": "Flame graph", "aria-describedby": id,
      "aria-roledescription": "flame graph: arrows go from box to box, Enter draws one alone, Backspace goes back out",
    }, this.canvas);
    this.status = element("span", { class: "dim", role: "status" });
    const bar = element("div", { class: "tree-bar" });
    // The page's own search finds while one types; sent off, it makes the page say what it found.
    const search = source !== "" ? document.querySelector<HTMLInputElement>("main form[role=search] input[name=q]") : null;
    if (search) {
      this.search = search;
    } else {
      this.search = element("input", { type: "search", "aria-label": "Search for functions", placeholder: "part of a name", autocomplete: "off", maxlength: 200 });
      bar.append(this.search);
    }
    const out = element("button", { type: "button", title: "One level out (Backspace)" }, "out");
    out.addEventListener("click", () => this.out());
    bar.append(out, this.status);
    this.search.addEventListener("input", () => this.mark());
    this.search.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" && (event.key !== "Enter" || search)) return;
      event.preventDefault();
      if (event.key === "Enter") this.nextMatch(event.shiftKey ? -1 : 1);
      this.frame.focus();
    });
    this.canvas.addEventListener("mousemove", (event) => this.say(this.boxAt(event) ?? this.current));
    this.canvas.addEventListener("mouseleave", () => this.say(this.current));
    this.canvas.addEventListener("click", (event) => {
      const box = this.boxAt(event);
      if (!box) return;
      this.choose(box);
      this.enter();
    });
    document.addEventListener("keydown", (event) => this.key(event), true);
    new ResizeObserver(() => this.later()).observe(this.frame);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.later());
    place.before(element("section", { class: "flame-island", "aria-label": "Flame graph" },
      bar, this.frame, this.about));
  }

  // load asks for the graph.
  private load(): Promise<Answer> {
    return ask<Answer>(this.source + (this.source.includes("?") ? "&" : "?") + `n=${most}`);
  }

  // grow draws what a run that is being recorded has come to.
  private async grow(): Promise<void> {
    try {
      this.answer = await this.load();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return; // what is there stays
    }
    this.draw();
    this.showMatches();
  }

  // start draws what the page is about. The drawing without scripts stays when that cannot be had.
  async start(): Promise<void> {
    try {
      this.answer = this.data !== "" ? JSON.parse(this.data) as Answer : await this.load();
    } catch (error) {
      this.place.dataset["mounted"] = "";
      if (!(error instanceof Problem)) throw error;
      this.about.textContent = `${error.message}. ${error.hint}`;
      return;
    }
    this.place.querySelector<SVGElement>("svg.flame")?.setAttribute("hidden", "");
    this.words = this.search.value.trim();
    this.keep();
    this.draw();
    this.showMatches();
    this.place.dataset["mounted"] = "";
    if (this.source !== "") document.addEventListener("recording-grew", () => void this.grow());
  }

  // keep makes the browser remember the box that is chosen, so that going back finds it.
  private keep(): void {
    if (this.source === "") return;
    this.kept = (history.state as { box?: string } | null)?.box ?? "";
    window.addEventListener("pagehide", () => history.replaceState({ box: this.current?.path.join(".") ?? "" }, ""));
  }

  private later(): void {
    if (this.asked || !this.answer) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.draw();
    });
  }

  private draw(): void {
    if (!this.answer) return;
    const width = this.frame.clientWidth;
    if (width === 0) return; // on a part of a report that is not seen
    const matches = matcher(this.words);
    const path = this.current?.path.join(".") ?? this.kept;
    this.root = layout(this.answer.stack, this.answer.weight, narrowest / width, matches ?? (() => false));
    this.current = this.root;
    each(this.root, (box) => {
      if (box.path.join(".") === path) this.current = box;
    });
    paint(this.canvas, this.root, width, this.current, matches !== null);
    this.say(this.current);
  }

  private boxAt(event: MouseEvent): Box | null {
    const level = Math.floor(event.offsetY / rowHeight);
    const x = event.offsetX / Math.max(1, this.canvas.clientWidth);
    let found: Box | null = null;
    if (this.root) {
      each(this.root, (box) => {
        if (box.level === level && x >= box.x && x < box.x + box.width) found = box;
      });
    }
    return found;
  }

  private name(box: Box): string {
    return box.stack.function ? shown(box.stack.function, 160) : "the whole run";
  }

  // say puts a box into words.
  private say(box: Box | null): void {
    if (!box || !this.answer || !this.root) return;
    const s = box.stack;
    const whole = Math.max(1, weightOf(this.root.stack, this.answer.weight));
    const percent = ((weightOf(s, this.answer.weight) / whole) * 100).toFixed(2);
    const amount = this.answer.weight === "calls" ? plural(s.within, "call") : duration(s.total_ns);
    const text = s.id ? ` ${duration(s.total_ns)} in ${plural(s.calls, "call")}, ${duration(s.self_ns)} by itself, ${percent} %` : `: ${amount}`;
    const key = box.path.join(".") + text;
    if (this.about.dataset["of"] === key) return;
    this.about.dataset["of"] = key;
    const longest = this.longest(s);
    this.about.replaceChildren(element("bdi", { class: "fn" }, this.name(box)), text, ...longest);
  }

  private longest(s: Stack): (Node | string)[] {
    const run = /^\/runs\/[^/]+/.exec(location.pathname)?.[0];
    if (!run || this.source === "" || !s.longest_call) return [];
    return [", ", element("a", { href: `${run}/call/${s.longest_call}` }, "its longest call")];
  }

  private choose(box: Box | null | undefined): void {
    if (!box || !this.root) return;
    this.current = box;
    paint(this.canvas, this.root, this.frame.clientWidth, box, this.words !== "");
    this.say(box);
    const top = this.frame.getBoundingClientRect().top + box.level * rowHeight;
    if (top < 60 || top > window.innerHeight - 60) window.scrollBy({ top: top - window.innerHeight / 2 });
  }

  // enter draws the current box alone: the page that is about it. Going back is the browser's.
  private enter(): void {
    const box = this.current;
    if (!box || !this.root || !this.answer || box === this.root) return;
    if (this.source === "") {
      this.outer.push(this.answer.stack);
      this.show(box.stack);
      return;
    }
    this.go([...this.base(), ...(this.root.stack.id ? box.path.slice(1) : box.path)]);
  }

  private out(): void {
    const around = this.outer.pop();
    if (around) this.show(around);
    if (this.source === "") return;
    const base = this.base();
    if (base.length > 0) this.go(base.slice(0, -1));
  }

  // show draws another part of a report's graph.
  private show(stack: Stack): void {
    if (!this.answer) return;
    this.answer.stack = stack;
    this.current = null;
    this.draw();
    this.showMatches();
  }

  // base is the stack that the graph begins with, as addresses have it.
  private base(): number[] {
    const path = this.answer?.path?.map((f) => f.id) ?? [];
    const own = this.root?.stack.id;
    return path.length === 0 && own ? [own] : path;
  }

  private go(path: number[]): void {
    const query = new URLSearchParams(location.search);
    query.delete("stack");
    query.delete("whole");
    if (path.length > 0) query.set("stack", path.join("."));
    else {
      query.delete("function");
      if (query.has("at")) query.set("whole", "1");
    }
    this.keepWords(query);
    location.assign(location.pathname + "?" + query.toString());
  }

  private mark(): void {
    this.words = this.search.value.trim();
    this.draw();
    this.showMatches();
    if (this.source === "") return;
    const query = new URLSearchParams(location.search);
    this.keepWords(query);
    history.replaceState(history.state, "", location.pathname + "?" + query.toString());
  }

  private keepWords(query: URLSearchParams): void {
    if (this.words !== "") query.set("q", this.words);
    else query.delete("q");
  }

  // showMatches says how much of the graph lies in what was found, each part once.
  private showMatches(): void {
    if (!this.root || !this.answer || this.words === "") {
      this.status.textContent = "";
      return;
    }
    let sum = 0;
    let boxes = 0;
    const open: Box[] = [this.root];
    for (let box = open.pop(); box; box = open.pop()) {
      if (box.matched) {
        sum += weightOf(box.stack, this.answer.weight);
        boxes++;
      } else {
        open.push(...box.children);
      }
    }
    const whole = Math.max(1, weightOf(this.root.stack, this.answer.weight));
    const amount = this.answer.weight === "calls" ? plural(sum, "call") : duration(sum);
    this.status.textContent = boxes === 0 ? "nothing is named like that" : `${plural(boxes, "stack")}, ${amount}, ${((sum / whole) * 100).toFixed(2)} %`;
  }

  private nextMatch(by: number): void {
    if (!this.root) return;
    const found: Box[] = [];
    let before = 0; // matches in front of the current box
    let passed = false;
    each(this.root, (box) => {
      if (box === this.current) passed = true;
      else if (box.matched) {
        found.push(box);
        if (!passed) before++;
      }
    });
    if (found.length > 0) this.choose(found[(by > 0 ? before : before - 1 + found.length) % found.length]);
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target)) return;
    if (this.frame.offsetParent === null || !this.root) return;
    const act = this.keys(event.key, event.target === this.frame);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  private keys(key: string, inside: boolean): (() => void) | null {
    const box = this.current;
    if (!inside || !box) return null;
    const siblings = box.parent?.children ?? [box];
    const at = siblings.indexOf(box);
    switch (key) {
      case "ArrowDown": return () => this.choose(box.children[0]);
      case "ArrowUp": return () => this.choose(box.parent);
      case "ArrowRight": return () => this.choose(siblings[at + 1]);
      case "ArrowLeft": return () => this.choose(siblings[at - 1]);
      case "Home": return () => this.choose(this.root);
      case "End": return () => this.choose(heaviest(box));
      case "Enter": case "f": return () => this.enter();
      case "Backspace": return () => this.out();
      case "n": return this.words === "" ? null : () => this.nextMatch(1);
      case "p": return this.words === "" ? null : () => this.nextMatch(-1);
    }
    return null;
  }
}

// heaviest follows the heaviest boxes below one to the last.
function heaviest(box: Box): Box {
  let at = box;
  for (let next = at.children[0]; next; next = at.children[0]) at = next;
  return at;
}
