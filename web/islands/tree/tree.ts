// mountTree draws the tree in its place.
export function mountTree(place: HTMLElement): void {
  place.dataset["mounted"] = "";
}
