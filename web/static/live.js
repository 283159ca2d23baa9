// Pages about recordings that grow: when the server says that there is something new, the page asks for itself again and
// takes over what it shows. Pages work without this file, and show what was there when they were loaded.
"use strict";

(() => {
  const shown = () => document.querySelector("main[data-live]");
  if (!shown() || !window.EventSource) return;

  // Nothing moves under a person's hands. What is pressed stays until it is let go of, or the click would be one on nothing.
  let pressed = false;
  const busy = (main) => {
    if (pressed) return true;
    const active = document.activeElement;
    if (active instanceof HTMLInputElement || active instanceof HTMLTextAreaElement || active instanceof HTMLSelectElement) return true;
    const selection = document.getSelection();
    return selection && !selection.isCollapsed && main.contains(selection.anchorNode);
  };

  // Parts around a page's content that say how the run is.
  const takeOver = (page, parts) => {
    for (const part of parts) {
      const old = document.querySelector(part);
      const now = page.querySelector(part);
      if (old && now) old.replaceChildren(...now.childNodes);
    }
  };

  // The link or button of a page that is the one of the page before: it leads to the same place and says the same.
  const counterpart = (element, before, now) => {
    const all = [...now.querySelectorAll("a, button")];
    const at = [...before.querySelectorAll("a, button")].indexOf(element);
    const same = (other) => other && other.href === element.href && other.textContent === element.textContent;
    return same(all[at]) ? all[at] : all.find(same);
  };

  // Whoever goes through a page by keys stays where they are, also when there is more before it now.
  const replace = (main, news) => {
    const active = main.contains(document.activeElement) && document.activeElement.matches("a, button") ? document.activeElement : null;
    const focus = active && counterpart(active, main, news);
    const rows = [...main.querySelectorAll("[data-row]")];
    const current = rows.findIndex((row) => row.classList.contains("current"));
    const link = rows[current]?.querySelector("a.fn, a");
    const again = link ? counterpart(link, main, news)?.closest("[data-row]") : news.querySelectorAll("[data-row]")[current];
    main.replaceWith(news);
    again?.classList.add("current");
    focus?.focus({ preventScroll: true });
  };

  // What a script has drawn stays, and the script brings it up to date. It is told at most once in a while: what it asks for is
  // more than a page.
  const pause = 1500; // ms
  const grow = async (main, page) => {
    takeOver(page, [".crumbs", ".banner.warn", ".overview"]);
    if (!page.querySelector("main[data-live]")) main.removeAttribute("data-live");
    document.dispatchEvent(new Event("recording-grew"));
    await new Promise((resolve) => setTimeout(resolve, pause));
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
      if (!main || busy(main) && !main.querySelector("[data-island]")) break; // until it is let go of
      waiting = false;
      const answer = await fetch(location.href, { credentials: "same-origin" }).catch(() => null);
      if (!answer || !answer.ok) break;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const news = page.querySelector("main");
      if (news && main.querySelector("[data-island]")) {
        await grow(main, page);
        continue;
      }
      if (news?.querySelector("[data-island]")) { // the first of what a script draws
        location.reload();
        return;
      }
      if (!news || busy(main)) {
        waiting = true;
        break;
      }
      replace(main, news);
      takeOver(page, [".crumbs", ".banner.warn"]);
    }
    asking = false;
  };

  source.addEventListener("change", refresh);
  // The server tells what changes from now on; the page is older than that, and so is what it shows after the connection was lost.
  source.addEventListener("open", refresh);
  source.addEventListener("end", () => {
    over = true;
    source.close();
    refresh();
  });
  document.addEventListener("focusout", () => {
    if (waiting) setTimeout(refresh);
  });
  document.addEventListener("pointerdown", (event) => {
    pressed = event.isPrimary && event.button === 0;
  }, true);
  for (const over of ["pointerup", "pointercancel"]) {
    document.addEventListener(over, () => {
      pressed = false;
      if (waiting) setTimeout(refresh); // after the click
    }, true);
  }
  document.addEventListener("selectionchange", () => {
    if (waiting) refresh();
  });
  window.addEventListener("pagehide", () => source.close());
  window.addEventListener("pageshow", (event) => {
    if (event.persisted && !over) location.reload();
  });
})();
