// The part of a call tree that is loaded. Nothing here draws or asks anybody.
import { type Call, isLeaf } from "../calls";

// Node is a call in the tree.
export interface Node {
  call: Call;
  parent: Node | null;
  gapBefore: boolean; // calls in front of it, in its list, are not loaded
  open: boolean;
  leaf: boolean;
  below: List | null; // null: never loaded
}

// List is the calls that one call made, or the outermost ones of a goroutine, as far as they are loaded.
export interface List {
  parent: Node | null;
  nodes: Node[]; // by seq
  more: boolean; // calls behind the last one are not loaded
}

// Row is a line of what is seen.
export type Row =
  | { kind: "call"; key: string; level: number; node: Node; list: List; at: number }
  | { kind: "gap"; key: string; level: number; list: List; at: number; tail: boolean } // in front of the node at
  | { kind: "fold"; key: string; level: number; nodes: Node[]; open: boolean }
  | { kind: "up"; key: string; level: number; seq: number };

export class Model {
  top: List = { parent: null, nodes: [], more: true };
  above = 0; // the call around the topmost ones that are shown; 0: none
  fold = false; // recursion is one line
  readonly nodes = new Map<number, Node>();
  private readonly unfolded = new Set<number>();

  node(call: Call, parent: Node | null): Node {
    const node: Node = { call, parent, gapBefore: false, open: false, leaf: isLeaf(call), below: null };
    this.nodes.set(call.seq, node);
    return node;
  }

  // listOf returns the list below a node, or the topmost one.
  listOf(parent: Node | null): List {
    if (!parent) return this.top;
    if (!parent.below) parent.below = { parent, nodes: [], more: true };
    return parent.below;
  }

  // take puts a page of calls in their list: all that follow the one with the seq after, up to the last of them, or to the end.
  take(parent: Node | null, after: number, calls: Call[], end: boolean): void {
    const list = this.listOf(parent);
    let at = after === 0 ? 0 : list.nodes.findIndex((n) => n.call.seq === after) + 1;
    for (const call of calls) {
      const old = list.nodes[at];
      if (old && old.call.seq === call.seq) {
        old.gapBefore = false;
        this.update(old, call);
      } else {
        list.nodes.splice(at, 0, this.node(call, parent));
      }
      at++;
    }
    const next = list.nodes[at];
    if (end) {
      if (next) next.gapBefore = false;
      else list.more = false;
    } else if (!next) {
      list.more = true;
    }
    if (parent && list.nodes.length === 0 && !list.more) parent.leaf = true;
  }

  // takeBefore puts a page of calls in their list: the last ones before an event, or with 0 before its end. start: the list begins with them.
  takeBefore(parent: Node | null, before: number, calls: Call[], start: boolean): void {
    const list = this.listOf(parent);
    let at = 0;
    calls.forEach((call, i) => {
      while (list.nodes[at] && (list.nodes[at] as Node).call.seq < call.seq) at++;
      const old = list.nodes[at];
      const first = i === 0;
      if (old && old.call.seq === call.seq) {
        if (!first || start) old.gapBefore = false;
        this.update(old, call);
      } else {
        const node = this.node(call, parent);
        // Calls follow each other where nothing of the goroutine lies between them; that is not known of others'.
        node.gapBefore = first && !start && list.nodes[at - 1]?.call.end_seq !== call.seq - 1;
        list.nodes.splice(at, 0, node);
      }
      at++;
    });
    const next = list.nodes[at];
    if (next && next.call.seq === before) next.gapBefore = false;
    else if (!next && before === 0) list.more = false;
  }

  // update takes over what is known of a call by now.
  update(node: Node, call: Call): void {
    node.call = call;
    node.leaf = isLeaf(call);
  }

  // growing lists what a run that is being recorded may add to: the list of the outermost calls, and those of open rows whose call
  // has not ended. Calls of a goroutine lie in each other, so only the last one of a list can be such a call.
  growing(): List[] {
    const lists = [this.top];
    for (let list = this.top; ;) {
      const last = list.nodes[list.nodes.length - 1];
      if (!last?.open || !last.below || last.call.outcome !== "open") return lists;
      list = last.below;
      lists.push(list);
    }
  }

  // path puts a call with those around it, the outermost first, into the tree, and opens all but the call itself.
  path(calls: Call[]): Node | null {
    const first = calls[0];
    if (!first) return null;
    const known = this.nodes.get(first.seq);
    if (!known && first.parent !== this.above) {
      this.nodes.clear();
      this.top = { parent: null, nodes: [], more: true };
      this.above = first.parent;
    }
    let parent: Node | null = null;
    for (const call of calls) {
      if (parent) parent.open = true;
      parent = this.nodes.get(call.seq) ?? this.insert(parent, call);
    }
    for (let n = parent; n; n = n.parent) this.unfolded.add(n.call.seq);
    return parent;
  }

  // insert puts one call in its list, with gaps around it where others may be missing.
  private insert(parent: Node | null, call: Call): Node {
    const list = this.listOf(parent);
    const node = this.node(call, parent);
    let at = list.nodes.findIndex((n) => n.call.seq > call.seq);
    if (at < 0) at = list.nodes.length;
    const previous = list.nodes[at - 1];
    const next = list.nodes[at];
    node.gapBefore = previous ? previous.call.end_seq !== call.seq - 1 : parent?.call.seq !== call.seq - 1;
    if (next) next.gapBefore = call.end_seq !== next.call.seq - 1;
    else if (parent && call.end_seq !== undefined && call.end_seq + 1 === parent.call.end_seq) list.more = false;
    list.nodes.splice(at, 0, node);
    return node;
  }

  // setFolded opens or closes a line that stands for recursive calls.
  setFolded(nodes: Node[], folded: boolean): void {
    for (const n of nodes) {
      if (folded) this.unfolded.delete(n.call.seq);
      else this.unfolded.add(n.call.seq);
    }
  }

  // rows lists what is seen.
  rows(): Row[] {
    const rows: Row[] = [];
    if (this.above !== 0) rows.push({ kind: "up", key: "up", level: 1, seq: this.above });
    this.list(rows, this.top, this.above !== 0 ? 2 : 1, new Map());
    return rows;
  }

  private list(rows: Row[], list: List, level: number, callers: Map<string, number>): void {
    const parent = list.parent?.call.seq ?? 0;
    for (let at = 0; at < list.nodes.length; at++) {
      const node = list.nodes[at] as Node;
      if (node.gapBefore) rows.push({ kind: "gap", key: `gap${parent}.${list.nodes[at - 1]?.call.seq ?? 0}`, level, list, at, tail: false });
      if (!this.fold || !callers.get(node.call.function)) {
        this.call(rows, node, list, at, level, callers);
        continue;
      }
      const group = [node];
      for (let next = list.nodes[at + 1]; next && !next.gapBefore && callers.get(next.call.function); next = list.nodes[at + group.length]) group.push(next);
      const open = group.some((n) => this.unfolded.has(n.call.seq));
      rows.push({ kind: "fold", key: `fold${node.call.seq}`, level, nodes: group, open });
      if (open) group.forEach((n, i) => this.call(rows, n, list, at + i, level + 1, callers));
      at += group.length - 1;
    }
    if (list.more) rows.push({ kind: "gap", key: `more${parent}`, level, list, at: list.nodes.length, tail: true });
  }

  private call(rows: Row[], node: Node, list: List, at: number, level: number, callers: Map<string, number>): void {
    rows.push({ kind: "call", key: `c${node.call.seq}`, level, node, list, at });
    if (!node.open || !node.below) return;
    const name = node.call.function;
    callers.set(name, (callers.get(name) ?? 0) + 1);
    this.list(rows, node.below, level + 1, callers);
    callers.set(name, (callers.get(name) ?? 1) - 1);
  }
}
