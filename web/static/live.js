// Pages about recordings that grow: when the server says that there is something new, the page asks for itself again and
// takes over what it shows. Pages work without this file, and show what was there when they were loaded.
"use strict";

(() => {
  const shown = () => document.querySelector("main[data-live]");
  if (!shown() || !window.EventSource) return;

  // Nothing moves under a person's hands.
  const busy = (main) => {
    const active = document.activeElement;
    if (active instanceof HTMLInputElement || active instanceof HTMLTextAreaElement || active instanceof HTMLSelectElement) return true;
    const selection = document.getSelection();
    return selection && !selection.isCollapsed && main.contains(selection.anchorNode);
  };

  let waiting = false;
  let asking = false;
  let over = false;
  const source = new EventSource(shown().dataset.live);

  const refresh = async () => {
    waiting = true;
    if (asking) return;
    asking = true;
    while (waiting) {
      const main = shown();
      if (!main || busy(main)) break; // until it is let go of
      waiting = false;
      const answer = await fetch(location.href, { credentials: "same-origin" }).catch(() => null);
      if (!answer || !answer.ok) break;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const news = page.querySelector("main");
      if (!news || busy(main)) {
        waiting = true;
        break;
      }
      const rows = [...main.querySelectorAll("[data-row]")];
      const current = rows.findIndex((row) => row.classList.contains("current"));
      main.replaceWith(news);
      const again = news.querySelectorAll("[data-row]")[current];
      if (again) again.classList.add("current");
      for (const part of [".crumbs", ".banner.warn"]) {
        const old = document.querySelector(part);
        const now = page.querySelector(part);
        if (old && now) old.replaceWith(now);
      }
    }
    asking = false;
  };

  source.addEventListener("change", refresh);
  source.addEventListener("end", () => {
    over = true;
    source.close();
    refresh();
  });
  document.addEventListener("focusout", () => {
    if (waiting) setTimeout(refresh);
  });
  document.addEventListener("selectionchange", () => {
    if (waiting) refresh();
  });
  window.addEventListener("pagehide", () => source.close());
  window.addEventListener("pageshow", (event) => {
    if (event.persisted && !over) location.reload();
  });
})();
