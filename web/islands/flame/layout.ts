// Where the boxes of a flame graph lie. Nothing here draws or asks anybody.

// Stack is a call stack merged over all calls with it, as the JSON has it.
export interface Stack {
  id?: number; // of its innermost function; missing: the whole run
  function?: string;
  calls: number;
  open?: number;
  total_ns: number;
  self_ns: number;
  within: number; // calls of it and of all below
  hidden?: number; // stacks left out below it
  longest_call?: number;
  children?: Stack[];
}

export type Weight = "time" | "calls";

// Box is a stack in the graph. x and width are shares of the full width.
export interface Box {
  stack: Stack;
  parent: Box | null;
  children: Box[];
  path: number[]; // functions from the graph's top to it
  level: number;
  x: number;
  width: number;
  matched: boolean;
}

export function weightOf(stack: Stack, weight: Weight): number {
  return weight === "calls" ? stack.within : Math.max(0, stack.total_ns);
}

// layout places what is below a stack, the heaviest on the left. Boxes narrower than least are left out with all below them.
export function layout(top: Stack, weight: Weight, least: number, matches: (s: Stack) => boolean): Box {
  const root: Box = { stack: top, parent: null, children: [], path: top.id ? [top.id] : [], level: 0, x: 0, width: 1, matched: matches(top) };
  const whole = Math.max(1, weightOf(top, weight));
  const open = [root];
  for (let box = open.pop(); box; box = open.pop()) {
    let x = box.x;
    const sorted = [...(box.stack.children ?? [])].sort((a, b) => weightOf(b, weight) - weightOf(a, weight));
    for (const stack of sorted) {
      const width = weightOf(stack, weight) / whole;
      if (width < least) break;
      const child: Box = {
        stack, parent: box, children: [], path: [...box.path, stack.id ?? 0], level: box.level + 1, x, width, matched: matches(stack),
      };
      box.children.push(child);
      open.push(child);
      x += width;
    }
  }
  return root;
}

// each visits boxes, those above first and those on the left first.
export function each(root: Box, visit: (box: Box) => void): void {
  const open = [root];
  for (let box = open.pop(); box; box = open.pop()) {
    visit(box);
    for (let i = box.children.length - 1; i >= 0; i--) open.push(box.children[i] as Box);
  }
}

// matcher finds functions by a part of their name, or a pattern with dots for anything; null: nothing is searched for.
export function matcher(words: string): ((s: Stack) => boolean) | null {
  if (words === "") return null;
  const parts = words.toLowerCase().split("...").map((p) => p.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const pattern = new RegExp(parts.join(".*"));
  return (s) => s.function !== undefined && pattern.test(s.function.toLowerCase());
}
