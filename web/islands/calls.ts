// Calls as the JSON has them, and as rows show them.
import { element } from "./elements";
import { shorten, shown } from "./text";

export interface Value {
  name: string;
  type: string;
  value: string;
}

export interface Call {
  seq: number;
  end_seq?: number; // of the event that ended it
  time_ns: number;
  goroutine: number;
  parent: number;
  depth: number;
  function: string;
  package: string;
  file: string;
  line: number;
  args?: Value[] | null; // missing: not loaded
  results?: Value[] | null;
  duration_ns?: number | null;
  self_ns?: number | null;
  failed?: boolean;
  outcome?: string;
}

// shortName is a function's name with the last part of its package's path only.
export function shortName(call: { function: string; package: string }): string {
  if (call.function === "") return "an unknown function";
  const folder = call.package.slice(0, call.package.lastIndexOf("/") + 1);
  const name = folder !== "" && call.function.startsWith(folder) ? call.function.slice(folder.length) : call.function;
  return shown(name, 120);
}

const ended: Record<string, string> = {
  panicked: "panicked", exited: "ended by runtime.Goexit", open: "did not end", lost: "end not seen",
};

// valueClass tells kinds of values apart by their Go syntax, for their colours.
function valueClass(text: string): string {
  if (text.startsWith("<unreadable")) return "unknown";
  if (text === "nil") return "nil";
  if (text.startsWith('"') || text.endsWith('")')) return "text";
  if (text === "true" || text === "false") return "bool";
  return /^[0-9-]/.test(text) ? "number" : "other";
}

function values(list: Value[], named: boolean, failed: boolean, length: number): Node[] {
  const out: Node[] = [];
  list.forEach((v, i) => {
    if (i > 0) out.push(element("span", { class: "punct" }, ", "));
    const arg = element("span", { class: "arg" });
    if (named && v.name !== "") {
      arg.append(element("span", { class: "name" }, shown(v.name, 60)), element("span", { class: "punct" }, "="));
    }
    const text = shorten(shown(v.value, 2 * length), length);
    const kind = failed && text.startsWith("error(") ? "error" : valueClass(v.value);
    arg.append(element("bdi", { class: "v " + kind, title: shown(v.type, 200) }, text));
    out.push(arg);
  });
  return out;
}

// signature is a call in one line: its function, arguments, and results or how else it ended. No value is longer than length.
export function signature(call: Call, href: string, length = 80): Node[] {
  const name = element("bdi", {}, shortName(call));
  const out: Node[] = [
    href === "" ? element("span", { class: "fn" }, name) : element("a", { class: "fn", href, tabindex: -1, title: shown(call.function, 400) }, name),
    element("span", { class: "punct" }, "("),
    ...(call.args ? values(call.args, true, false, length) : [element("span", { class: "dim", title: "Values are on the call's page" }, "…")]),
    element("span", { class: "punct" }, ")"),
  ];
  const how = ended[call.outcome ?? ""];
  if (how !== undefined) {
    out.push(element("span", { class: "ended " + (call.outcome ?? "") }, " " + how));
  } else if (call.results && call.results.length > 0) {
    out.push(element("span", { class: "gives" + (call.failed ? " bad" : "") }, " = "), ...values(call.results, false, call.failed === true, length));
  }
  return out;
}

// isLeaf reports whether a call is known to have made no calls: its end is the next event.
export function isLeaf(call: Call): boolean {
  return call.end_seq === call.seq + 1;
}
