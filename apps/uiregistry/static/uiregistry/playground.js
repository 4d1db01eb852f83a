// Values that somebody tries: sent while they are typed, shown as they would look, and as JSON. Nothing is stored.
"use strict";

(() => {
  const WAIT_MS = 300;

  class Playground {
    constructor(section) {
      this.section = section;
      this.form = section.querySelector("form");
      this.preview = section.querySelector("[data-preview]");
      this.json = section.querySelector("#try-json");
      this.left = section.querySelector("[data-left]");
      this.declared = this.form.innerHTML;
      this.number = 0;
      this.form.addEventListener("submit", (event) => event.preventDefault());
      this.form.addEventListener("input", (event) => this.changed(event.target));
      section.addEventListener("click", (event) => {
        if (event.target.closest("[data-reset]")) this.reset();
      });
      this.send();
    }

    reset() {
      this.form.innerHTML = this.declared;
      this.send();
      this.form.querySelector("[data-reset]").focus();
    }

    changed(input) {
      this.grow(input.closest("[data-blank]"));
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.send(), WAIT_MS);
    }

    // The blank object at the end of a list becomes one of it once something is written in it, and a new blank follows.
    grow(item) {
      if (!item) return;
      const place = Number(item.dataset.blank);
      const list = item.closest("[data-items]").dataset.items;
      const next = item.cloneNode(true);
      next.open = false;
      next.dataset.blank = place + 1;
      for (const part of next.querySelectorAll("[name], [id], [for], [data-faults-of]")) {
        for (const attribute of ["name", "data-faults-of"]) {
          const name = part.getAttribute(attribute);
          if (name) part.setAttribute(attribute, name.replace(`${list}/${place}`, `${list}/${place + 1}`));
        }
        for (const attribute of ["id", "for"]) {
          const name = part.getAttribute(attribute);
          if (name) part.setAttribute(attribute, `${name}-${place + 1}`);
        }
        if (part.matches("input, textarea")) part.value = "";
        if (part.matches("select")) part.selectedIndex = 0;
      }
      delete item.dataset.blank;
      item.querySelector("summary").textContent = `Number ${place + 1}`;
      item.after(next);
    }

    async send() {
      const number = ++this.number;
      const values = {};
      for (const [name, value] of new FormData(this.form)) values[name] = value;
      const token = values.csrfmiddlewaretoken;
      delete values.csrfmiddlewaretoken;
      try {
        const answer = await fetch(this.section.dataset.playground, {
          method: "POST", redirect: "manual", body: JSON.stringify(values),
          headers: {"Content-Type": "application/json", "X-CSRFToken": token},
        });
        if (!answer.ok) throw new Error(answer.status);
        const told = await answer.json();
        if (number === this.number) this.show(told);
      } catch {
        if (number === this.number) this.tell(["The hub does not answer: what is shown is as of before."]);
      }
    }

    show({faults, left, html, values}) {
      for (const place of this.form.querySelectorAll("[data-faults-of]")) {
        const found = faults[place.dataset.faultsOf];
        place.textContent = found ? found.join(" ") : "";
        place.hidden = !found;
        const input = place.parentElement.querySelector(":scope > input, :scope > select, :scope > textarea");
        if (!input) continue;
        if (found) input.setAttribute("aria-invalid", "true");
        else input.removeAttribute("aria-invalid");
      }
      this.tell(left);
      const wrong = Object.keys(faults).length || left.length;
      this.preview.classList.toggle("ui-as-before", Boolean(wrong));
      this.preview.querySelector(".ui-note")?.remove();
      if (wrong) this.preview.insertAdjacentHTML("afterbegin", html);
      else this.preview.innerHTML = html;
      this.json.textContent = JSON.stringify(values, null, 2);
    }

    tell(words) {
      this.left.textContent = words.join(" ");
      this.left.hidden = !words.length;
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-playground]").forEach((section) => new Playground(section));
  });
})();
