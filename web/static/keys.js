// Keys for the pages. Whatever has a key says so in data-key; rows that j and k step through carry data-row. Pages work
// without this file.
"use strict";

(() => {
  const find = (key) => {
    for (const element of document.querySelectorAll("[data-key]")) {
      if (element.dataset.key === key) return element;
    }
    return null;
  };

  const step = (by) => {
    const rows = [...document.querySelectorAll("[data-row]")];
    if (rows.length === 0) return;
    let at = rows.findIndex((row) => row.classList.contains("current"));
    if (at < 0) at = rows.findIndex((row) => row.classList.contains("focused")) - (by > 0 ? 0 : -1);
    else rows[at].classList.remove("current");
    at = Math.max(0, Math.min(rows.length - 1, at + by));
    rows[at].classList.add("current");
    rows[at].scrollIntoView({ block: "nearest" });
    const link = rows[at].querySelector("a.fn, a");
    if (link) link.focus({ preventScroll: true });
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = event.target;
    const typing = target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
    if (typing) {
      if (event.key === "Escape") target.blur();
      return;
    }
    if (event.key === "Enter") return; // the link that has the focus takes it
    if (event.key === "j" || event.key === "k") {
      event.preventDefault();
      step(event.key === "j" ? 1 : -1);
      return;
    }
    const element = find(event.key);
    if (!element) return;
    event.preventDefault();
    if (element instanceof HTMLInputElement) {
      element.focus();
      element.select();
    } else {
      element.click();
    }
  });

  // Choosing is enough where a form says so.
  document.addEventListener("change", (event) => {
    const field = event.target;
    if (field instanceof Element && field.matches("[data-submit]") && field.form) field.form.requestSubmit();
  });

  // What can be copied gets a button for it.
  for (const box of document.querySelectorAll(".copy")) {
    const text = box.querySelector("textarea");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      text.select();
      try {
        await navigator.clipboard.writeText(text.value);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Selected"; // the browser did not allow more
      }
    });
    box.append(button);
  }

  const focused = document.querySelector(".events .focused, .tree .focused, .full .focus-line");
  if (focused && !location.hash) focused.scrollIntoView({ block: "center" });
})();
