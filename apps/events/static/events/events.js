// The list of events says how many newer ones there are, and shows them when asked; JSON is copied; a decision is sent
// once. No framework.
"use strict";

(() => {
  const EVERY_MS = 3000;

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy-from]");
    if (!button || !navigator.clipboard) return;
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copyFrom).textContent);
    const word = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = word; }, 1500);
  });

  // The hub counts a decision once, however often it is sent; but of two answers the browser shows the second, which
  // says that there was nothing to do.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches(".hub-ask")) return;
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "1";
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) document.querySelectorAll(".hub-ask").forEach((form) => delete form.dataset.sent);
  });

  class Newer {
    constructor(button) {
      this.button = button;
      this.none = document.getElementById("newer-none");
      this.sign = document.getElementById("live-sign");
      this.failedSince = null;
      button.addEventListener("click", () => this.show());
      this.next();
    }

    next() {
      setTimeout(() => this.ask(), Number(this.button.dataset.everyMs) || EVERY_MS);
    }

    async ask() {
      if (!document.hidden) {
        try {
          const answer = await fetch(location.href, {
            headers: {"X-Newer": this.button.dataset.newest}, redirect: "manual", signal: AbortSignal.timeout(10000),
          });
          if (answer.type === "opaqueredirect") {
            this.lost("Your session is over: reload the page to log in again.");
            return;
          }
          if (!answer.ok) throw new Error(answer.status);
          this.tell(await answer.json());
        } catch {
          this.failedSince ??= new Date();
          this.lost(`Connection lost at ${this.failedSince.toLocaleTimeString()}. Trying again.`);
        }
      }
      this.next();
    }

    tell({count, most}) {
      this.failedSince = null;
      delete this.sign.dataset.lost;
      if (this.sign.textContent !== "Live") this.sign.textContent = "Live";
      const number = count >= most ? `${most.toLocaleString("en")} or more` : count.toLocaleString("en");
      const text = `Show ${number} new ${count === 1 ? "event" : "events"}`;
      if (this.button.textContent !== text) this.button.textContent = text;
      this.button.hidden = !count;
      this.none.hidden = Boolean(count);
    }

    lost(told) {
      this.sign.dataset.lost = "1";
      this.sign.textContent = told;
    }

    // The rows are exchanged in place, and those that are new are marked; an empty list has no place for rows yet.
    async show() {
      const list = document.getElementById("result_list");
      if (!list) return location.reload();
      try {
        const answer = await fetch(location.href, {redirect: "error"});
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        const rows = fresh.getElementById("result_list");
        const known = new Set([...list.querySelectorAll(".hub-type")].map((link) => link.getAttribute("href")));
        for (const link of rows.querySelectorAll(".hub-type")) {
          if (!known.has(link.getAttribute("href"))) link.closest("tr").dataset.new = "1";
        }
        list.replaceWith(rows);
        this.button.dataset.newest = fresh.getElementById("newer").dataset.newest;
        this.button.hidden = true;
        this.none.hidden = false;
        rows.querySelector(".hub-type").focus({preventScroll: true});
      } catch {
        location.reload();
      }
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("newer");
    if (button) new Newer(button);
  });
})();
