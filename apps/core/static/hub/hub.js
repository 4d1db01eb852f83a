// Times that tick, identifiers that copy, parts of pages that keep themselves up to date. No framework, no outside host.
"use strict";

(() => {
  const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

  // The same words as apps.core.times.ago.
  function ago(moment) {
    const seconds = (Date.now() - moment) / 1000;
    const whole = Math.trunc(Math.abs(seconds));
    const unit = UNITS.find(([size]) => whole >= size);
    if (!unit) return "just now";
    const told = `${Math.trunc(whole / unit[0])} ${unit[1]}`;
    return seconds > 0 ? `${told} ago` : `in ${told}`;
  }

  function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function tick(root) {
    for (const element of root.querySelectorAll("time.hub-ago")) {
      const moment = Date.parse(element.dateTime);
      write(element, ago(moment));
      if (!element.dataset.local) {
        element.dataset.local = "1";
        element.title += ` · ${new Date(moment).toLocaleString()} here`;
      }
    }
    for (const element of root.querySelectorAll("time.hub-clock:not([data-local])")) {
      element.dataset.local = "1";
      write(element, new Date(element.dateTime).toLocaleTimeString([], {hour: "2-digit", minute: "2-digit"}));
    }
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    // A button copies what it says, or what it names.
    const source = button.dataset.copy ? document.querySelector(button.dataset.copy) : button;
    const sign = button.dataset.copyTold && document.querySelector(button.dataset.copyTold);
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch { // no clipboard without HTTPS, or the browser asked and somebody said no
      getSelection().selectAllChildren(source);
      if (sign) write(sign, "It is selected: copy it with Ctrl-C.");
      return;
    }
    if (sign) write(sign, "Copied.");
    button.dataset.copied = "1";
    setTimeout(() => delete button.dataset.copied, 1500);
  });

  // --- live parts ---------------------------------------------------------------------------------------------------

  // A part is exchanged as a whole, but not while something in it has the focus, and not under a pointer that is in
  // use: one that was left lying there must not keep the page from telling the truth.
  const RESTS_AFTER_MS = 8000;
  let moved = 0;
  document.addEventListener("pointermove", () => { moved = Date.now(); }, {passive: true});

  function busy(part) {
    const pointed = part.matches(":hover") && Date.now() - moved < RESTS_AFTER_MS;
    return pointed || part.contains(document.activeElement);
  }

  function keepOpen(old, part) {
    const fresh = part.querySelectorAll("details");
    old.querySelectorAll("details").forEach((details, index) => {
      if (details.open && fresh[index]) fresh[index].open = true;
    });
  }

  class Live {
    constructor(page) {
      this.page = page;
      this.every = Number(page.dataset.liveEvery) * 1000;
      this.seen = new Map();
      this.failedSince = null;
      this.sign = document.getElementById("live-sign");
      setTimeout(() => this.refresh(), this.every);
    }

    async refresh() {
      if (!document.hidden) {
        try {
          const answer = await fetch(this.page.dataset.live, {
            headers: {"X-Live": "1"}, redirect: "manual", signal: AbortSignal.timeout(10000),
          });
          if (answer.type === "opaqueredirect") {
            this.lost("Your session is over: reload the page to log in again.");
            return;
          }
          if (!answer.ok) throw new Error(answer.status);
          this.take(await answer.text());
          this.found();
        } catch {
          this.lost();
        }
      }
      setTimeout(() => this.refresh(), this.every);
    }

    take(html) {
      const fresh = new DOMParser().parseFromString(html, "text/html");
      const parts = [...fresh.querySelectorAll("[data-part]")];
      const here = [...this.page.querySelectorAll("[data-part]")];
      if (parts.map((part) => part.id).join() !== here.map((part) => part.id).join()) {
        if (!here.some(busy)) this.page.replaceChildren(...fresh.body.children);
      } else {
        parts.forEach((part, index) => this.exchange(here[index], part));
      }
      tick(this.page);
    }

    exchange(old, part) {
      const html = part.outerHTML;
      if (this.seen.get(part.id) === html || busy(old)) return;
      this.seen.set(part.id, html);
      keepOpen(old, part);
      old.replaceWith(part);
    }

    found() {
      this.failedSince = null;
      delete this.sign.dataset.lost;
      write(this.sign, "Live");
    }

    lost(told) {
      this.failedSince ??= new Date();
      this.sign.dataset.lost = "1";
      const since = this.failedSince.toLocaleTimeString();
      write(this.sign, told ?? `Connection lost at ${since}: what you see is as of then. Trying again.`);
    }
  }

  // --- keyboard -----------------------------------------------------------------------------------------------------

  // Unfold's own chrome is made of spans that only a mouse can click: give them a name, a focus and the Enter key.
  const NAMES = {dock_to_right: "Menu", close: "Close", filter_list: "Filters", more_horiz: "More"};

  function reachable(root) {
    for (const element of root.querySelectorAll("[x-on\\:click]")) {
      if (element.matches("button, a[href], input, [tabindex], #changelist-filter-close")) continue;
      element.tabIndex = 0;
      element.setAttribute("role", "button");
      const name = NAMES[element.textContent.trim()];
      if (name) element.setAttribute("aria-label", name);
    }
  }

  document.addEventListener("keydown", (event) => {
    const element = event.target;
    if ((event.key === "Enter" || event.key === " ") && element.matches("[role=button][x-on\\:click]")) {
      event.preventDefault();
      element.click();
    } else if (event.key === "/" && !element.closest("input, textarea, select, [contenteditable]")) {
      const search = document.querySelector("#searchbar, .hub-filter input[type=search]");
      if (search) {
        event.preventDefault();
        search.focus();
      }
    }
  });

  document.addEventListener("DOMContentLoaded", () => {
    reachable(document);
    tick(document);
    setInterval(() => tick(document), 1000);
    document.querySelectorAll("[data-live]").forEach((page) => new Live(page));
  });
})();
