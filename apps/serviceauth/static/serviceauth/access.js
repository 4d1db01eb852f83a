// A secret that is shown once: the browser's history must not lead back to it, and a reload must not ask for another.
"use strict";

(() => {
  const page = document.querySelector("[data-shown-once]");
  if (!page) return;
  history.replaceState(null, "", page.dataset.shownOnce);
  window.addEventListener("pagehide", () => page.remove());
})();
