// A search that found nothing within the time of one request goes on by itself, says how far it is, and can be stopped. Pages
// work without this file: a link leads on.
"use strict";

(() => {
  const search = async () => {
    const banner = document.querySelector("[data-search]");
    if (!banner || document.querySelector(".events tbody tr")) return;
    const progress = document.createElement("progress");
    progress.max = Number(banner.dataset.of);
    progress.value = Number(banner.dataset.at);
    progress.setAttribute("aria-label", "Searched");
    const stop = document.createElement("button");
    stop.textContent = "Stop";
    stop.type = "button";
    const control = new AbortController();
    stop.addEventListener("click", () => control.abort());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") control.abort();
    }, { signal: control.signal });
    const [text, link] = [banner.querySelector("span"), banner.querySelector("a")];
    link.hidden = true;
    banner.append(progress, stop);
    let address = banner.dataset.search;
    text.textContent = "Searching…";
    try {
      for (;;) {
        const answer = await fetch(address, { credentials: "same-origin", signal: control.signal });
        if (!answer.ok) break;
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const next = page.querySelector("[data-search]");
        if (!next || page.querySelector(".events tbody tr")) {
          history.replaceState(null, "", address);
          document.querySelector("main").replaceWith(page.querySelector("main"));
          control.abort();
          return;
        }
        address = next.dataset.search;
        progress.value = Number(next.dataset.at);
        link.href = address;
      }
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
    text.textContent = `The search stopped at event ${progress.value} of ${progress.max}.`;
    progress.remove();
    stop.remove();
    link.hidden = false;
  };
  search();
})();
