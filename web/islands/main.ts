// The islands of the pages: parts that a script draws where the page has a place for them. Each place holds a table that says
// the same, for people without scripts; an island hides it when it is there.
//
// A page that wants an island has <div data-island="tree" data-source="…tree.json">; what the data- attributes mean is up
// to the island.
import { mountFlame } from "./flame/flame";
import { mountTimeline } from "./timeline/timeline";
import { mountTree } from "./tree/tree";

const islands: Record<string, (place: HTMLElement) => void> = { flame: mountFlame, timeline: mountTimeline, tree: mountTree };

// Two islands of a kind may stand in one document: a report in a single file holds many pages.
for (const place of document.querySelectorAll<HTMLElement>("[data-island]")) {
  const mount = islands[place.dataset["island"] ?? ""];
  if (mount) mount(place);
}
