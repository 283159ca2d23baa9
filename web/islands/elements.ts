// Elements made by scripts. What comes from a recording only ever becomes text or an attribute's value, never markup.

type Child = Node | string | null;

// element makes an HTML element. An attribute that is false is left out, one that is true is there without a value.
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K, attributes: Record<string, string | number | boolean> = {}, ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  set(made, attributes);
  for (const child of children) if (child !== null) made.append(child);
  return made;
}

const svgNamespace = "http://www.w3.org/2000/svg";

// drawing makes an SVG element.
export function drawing<K extends keyof SVGElementTagNameMap>(
  tag: K, attributes: Record<string, string | number | boolean> = {}, ...children: Child[]
): SVGElementTagNameMap[K] {
  const made = document.createElementNS(svgNamespace, tag);
  set(made, attributes);
  for (const child of children) if (child !== null) made.append(child);
  return made;
}

function set(made: Element, attributes: Record<string, string | number | boolean>): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) made.setAttribute(name, value === true ? "" : String(value));
  }
}

// bar draws a share of 0 to 100.
export function bar(share: number): SVGElement {
  return drawing("svg", { class: "bar", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
    drawing("rect", { class: "bar-fg", width: share, height: 6 }));
}

// isTyping reports whether keys go into a field.
export function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}
