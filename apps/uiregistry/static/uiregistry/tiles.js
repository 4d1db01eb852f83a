// Widgets on pages of the admin: each asks for what it shows, by its own interval, and says when it cannot. No framework.
"use strict";

(() => {
  const RETRY_MS = 15000;

  class Tile {
    constructor(element) {
      this.element = element;
      this.body = element.querySelector("[data-body]");
      this.every = Number(element.dataset.every) * 1000;
      this.refresh();
    }

    async refresh() {
      clearTimeout(this.timer);
      let next = this.every;
      if (!document.hidden) {
        this.element.setAttribute("aria-busy", "true");
        try {
          const answer = await fetch(this.element.dataset.tile, {redirect: "manual", signal: AbortSignal.timeout(20000)});
          if (answer.type === "opaqueredirect") return this.lost("Your session is over: reload the page to log in again.");
          if (!answer.ok) throw new Error(answer.status);
          this.show(await answer.text());
        } catch {
          this.lost("The hub does not answer. What you see is as of before; it asks again by itself.");
          next = next || RETRY_MS;
        }
        this.element.removeAttribute("aria-busy");
      }
      if (next && this.element.isConnected) this.timer = setTimeout(() => this.refresh(), Math.max(next, 1000));
    }

    show(html) {
      if (html === this.seen) return;
      this.seen = html;
      const open = [...this.body.querySelectorAll("details")].map((one) => one.open);
      this.body.innerHTML = html;
      this.body.querySelectorAll("details").forEach((one, index) => { one.open = Boolean(open[index]); });
      this.reachable();
    }

    // What is cut off is scrolled to, with the keyboard as well.
    reachable() {
      const {scrollHeight, clientHeight, scrollWidth, clientWidth} = this.element;
      if (scrollHeight > clientHeight || scrollWidth > clientWidth) this.element.tabIndex = 0;
      else this.element.removeAttribute("tabindex");
    }

    lost(told) {
      this.element.removeAttribute("aria-busy");
      let sign = this.body.querySelector("[data-lost]");
      if (!sign) {
        sign = document.createElement("p");
        sign.className = "ui-said-no";
        sign.dataset.lost = "1";
        sign.setAttribute("role", "status");
        this.body.querySelector(".ui-skeleton")?.remove();
        this.body.append(sign);
      }
      sign.textContent = told;
      this.reachable();
      this.seen = null;
    }
  }

  // A page that adds widgets later calls this for what it added.
  window.uiTiles = (root) => root.querySelectorAll("[data-tile]:not([data-started])").forEach((element) => {
    element.dataset.started = "1";
    element.tile = new Tile(element);
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-refresh]");
    if (button) document.querySelectorAll(button.dataset.refresh).forEach((element) => element.tile?.refresh());
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) document.querySelectorAll("[data-tile][data-started]").forEach((one) => one.tile?.refresh());
  });
  document.addEventListener("DOMContentLoaded", () => window.uiTiles(document));
})();
