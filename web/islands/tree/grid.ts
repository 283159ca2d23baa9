// The rows of the tree on the screen: only those that can be seen exist as elements.
import { type Call, shortName, signature } from "../calls";
import { bar, element } from "../elements";
import { duration, plural, share, since } from "../units";
import { type Row } from "./model";

const rowHeight = 26; // px, as in smiley.css
const spare = 8; // rows that exist above and below what is seen
const indent = 14; // px a level
const indented = 40; // levels that are told apart

let grids = 0;

export class Grid {
  readonly root: HTMLElement;
  private readonly body: HTMLElement;
  private readonly id = `tree${++grids}`;
  private rows: Row[] = [];
  private selected = "";
  private asked = false;

  // seen is told which rows are on the screen, after they have been drawn.
  constructor(private readonly address: (call: number) => string, private readonly seen: (rows: Row[]) => void) {
    this.body = element("div", { class: "tree-body", role: "presentation" });
    this.root = element("div", { class: "tree-grid", role: "treegrid", tabindex: 0, "aria-label": "Call tree" }, this.body);
    this.root.addEventListener("scroll", () => this.later());
    new ResizeObserver(() => this.later()).observe(this.root);
  }

  // show replaces the rows. What is selected stays where it is on the screen.
  show(rows: Row[], selected: string): void {
    const before = this.rows.findIndex((r) => r.key === selected);
    const after = rows.findIndex((r) => r.key === selected);
    this.rows = rows;
    this.selected = selected;
    this.body.style.height = `${rows.length * rowHeight}px`;
    this.root.style.maxHeight = `${rows.length * rowHeight + 2}px`; // a small tree takes little room
    this.root.setAttribute("aria-rowcount", String(rows.length));
    if (before >= 0 && after >= 0) this.root.scrollTop += (after - before) * rowHeight;
    this.draw();
  }

  select(key: string): void {
    this.selected = key;
    this.draw();
  }

  // reveal scrolls until a row is seen; far away rows come to the middle.
  reveal(key: string): void {
    const at = this.rows.findIndex((r) => r.key === key);
    if (at < 0) return;
    const top = at * rowHeight;
    const height = this.root.clientHeight;
    const scroll = this.root.scrollTop;
    if (top < scroll - height || top > scroll + 2 * height) this.root.scrollTop = top - height / 2;
    else if (top < scroll) this.root.scrollTop = top;
    else if (top + rowHeight > scroll + height) this.root.scrollTop = top + rowHeight - height;
    this.draw();
  }

  // perPage is how many rows are seen at once.
  get perPage(): number {
    return Math.max(1, Math.floor(this.root.clientHeight / rowHeight) - 1);
  }

  // rowOf is the row that an element belongs to.
  rowOf(target: EventTarget | null): Row | undefined {
    const line = target instanceof Element ? target.closest<HTMLElement>("[role=row]") : null;
    return line ? this.rows[Number(line.dataset["at"])] : undefined;
  }

  private later(): void {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.draw();
    });
  }

  private draw(): void {
    const top = Math.floor(this.root.scrollTop / rowHeight);
    const bottom = Math.ceil((this.root.scrollTop + this.root.clientHeight) / rowHeight);
    const from = Math.max(0, top - spare);
    const to = Math.min(this.rows.length, bottom + spare);
    const lines: HTMLElement[] = [];
    for (let at = from; at < to; at++) lines.push(this.line(this.rows[at] as Row, at));
    this.body.replaceChildren(...lines);
    const current = lines.find((l) => l.getAttribute("aria-selected") === "true");
    if (current) this.root.setAttribute("aria-activedescendant", current.id);
    else this.root.removeAttribute("aria-activedescendant");
    this.seen(this.rows.slice(top, bottom));
  }

  private line(row: Row, at: number): HTMLElement {
    const line = element("div", {
      role: "row", id: `${this.id}-${row.key}`, class: "tree-row", "data-at": at, "aria-rowindex": at + 1, "aria-level": row.level,
      "aria-selected": row.key === this.selected ? "true" : "false",
    });
    line.style.transform = `translateY(${at * rowHeight}px)`;
    const twist = element("span", { class: "twist", "aria-hidden": "true" });
    const what = element("div", { role: "gridcell", class: "what" }, twist);
    what.style.paddingLeft = `${Math.min(row.level - 1, indented) * indent}px`;
    let took = "";
    let self = "";
    let part: Element | null = null;
    let when = "";
    switch (row.kind) {
      case "call": {
        const call = row.node.call;
        took = duration(call.duration_ns);
        self = duration(call.self_ns);
        when = since(call.time_ns);
        const of = share(call.duration_ns, row.node.parent?.call.duration_ns);
        if (of > 0) part = bar(of);
        what.append(...signature(call, this.address(call.seq)));
        twist.textContent = row.node.leaf ? "·" : row.node.open ? "▾" : "▸";
        if (!row.node.leaf) line.setAttribute("aria-expanded", String(row.node.open));
        if (call.failed) line.classList.add("failed");
        if (!row.list.more && row.list.nodes.every((n) => !n.gapBefore)) line.setAttribute("aria-setsize", String(row.list.nodes.length));
        else line.setAttribute("aria-setsize", "-1");
        line.setAttribute("aria-posinset", String(row.at + 1));
        break;
      }
      case "gap":
        what.append(element("span", { class: "dim" }, row.tail ? "more calls … " : "… earlier calls "), leap("middle", "To the middle of what is not shown (m)"));
        if (row.tail) what.append(" ", leap("last", "To the last call (End)"));
        break;
      case "fold":
        twist.textContent = row.open ? "▾" : "▸";
        line.setAttribute("aria-expanded", String(row.open));
        took = duration(sum(row.nodes.map((n) => n.call)));
        what.append(element("span", { class: "dim" }, "↻ " + plural(row.nodes.length, "recursive call") + " of "),
          element("bdi", { class: "fn" }, shortName((row.nodes[0] as { call: Call }).call)));
        break;
      case "up":
        what.append(element("span", { class: "dim" }, "↑ callers further out"));
        break;
    }
    line.append(
      element("div", { role: "gridcell", class: "num took" }, took), element("div", { role: "gridcell", class: "num self dim" }, self),
      element("div", { role: "gridcell", class: "part" }, part), what, element("div", { role: "gridcell", class: "when" }, when),
    );
    return line;
  }
}

// leap is a button of a row that stands for calls.
function leap(to: "middle" | "last", title: string): HTMLElement {
  return element("button", { type: "button", class: "leap", "data-leap": to, title, tabindex: -1 }, to);
}

// sum adds the durations of calls up; it is not known when one of them is not.
function sum(calls: Call[]): number | null {
  let total = 0;
  for (const c of calls) {
    if (c.duration_ns === null || c.duration_ns === undefined) return null;
    total += c.duration_ns;
  }
  return total;
}
