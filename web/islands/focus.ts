// The frame of a page follows what an island has in focus: the addresses of the other views, and the bar that names the call.
import { type Call, shortName } from "./calls";
import { element } from "./elements";

// linksFollow makes the page's own links lead on with a call in focus; 0: with none.
export function linksFollow(seq: number): void {
  for (const link of document.querySelectorAll<HTMLAnchorElement>(".tabs a, .tools a[title^='The same'], .run-name, .focus-g a")) {
    const address = new URL(link.href);
    if (seq) address.searchParams.set("at", String(seq));
    else address.searchParams.delete("at");
    link.href = address.pathname + address.search;
  }
}

// withFilter is an address that keeps the filter of the page's own.
export function withFilter(address: string): string {
  const filter = new URLSearchParams(location.search).get("f");
  if (!filter) return address;
  return `${address}${address.includes("?") ? "&" : "?"}${new URLSearchParams({ f: filter })}`;
}

// followFocus makes the page's own links lead on with a call in focus (null: with none). run is the address of the run.
export function followFocus(run: string, view: string, call: Call | null): void {
  linksFollow(call ? call.seq : 0);
  let place = document.querySelector<HTMLElement>("div.focus");
  place?.querySelectorAll(".focus-name, .steps, :scope > .clear").forEach((old) => old.remove());
  if (!call) {
    if (place && place.childElementCount === 0) place.remove();
    return;
  }
  if (!place) {
    place = element("div", { class: "focus", role: "group", "aria-label": "Focus" });
    document.querySelector("main")?.before(place);
  }
  const query = new URLSearchParams(location.search);
  query.set("at", String(call.seq));
  query.set("view", view);
  for (const own of ["open", "fold", "after", "n"]) query.delete(own);
  const step = (to: string): string => {
    query.set("to", to);
    return `${run}/go?${query.toString()}`;
  };
  const free = new URL(location.href);
  free.searchParams.delete("at");
  place.prepend(
    element("span", { class: "focus-name" }, element("span", { class: "dot", "aria-hidden": "true" }),
      element("a", { href: withFilter(`${run}/call/${call.seq}`) }, element("bdi", {}, shortName(call))), element("span", { class: "dim" }, `call ${call.seq}`)),
    element("span", { class: "steps" },
      element("a", { href: step("previous"), "data-key": "p", title: "Previous call of this function (p)" }, "‹ previous"),
      element("a", { href: step("next"), "data-key": "n", title: "Next call of this function (n)" }, "next ›"),
      element("a", { href: step("out"), "data-key": "u", title: "The caller (u)" }, "out ↑"),
      element("a", { href: step("into"), "data-key": "o", title: "Its first call (o)" }, "into ↓")),
    element("a", { class: "clear", href: free.pathname + free.search, title: "Let go of this call", "data-key": "Escape" }, "clear"),
  );
}
