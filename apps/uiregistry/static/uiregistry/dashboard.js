// A dashboard that is arranged: by dragging, by keys, and stored when somebody says so. No framework.
"use strict";

(() => {
  const {COLUMNS, within, settle, firstFree} = window.uiGrid;
  const STEPS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

  class Arranging {
    constructor(root) {
      this.root = root;
      this.grid = root.querySelector("#ui-grid");
      this.told = root.querySelector("[data-told]");
      this.available = root.querySelector("#ui-available");
      this.dirty = false;
      this.active = false;
      root.addEventListener("click", (event) => this.clicked(event));
      this.grid.addEventListener("keydown", (event) => this.pressed(event));
      this.grid.addEventListener("pointerdown", (event) => this.grasped(event));
      root.querySelector("[data-find]")?.addEventListener("input", (event) => this.find(event.target.value));
      window.addEventListener("beforeunload", (event) => { if (this.dirty) event.preventDefault(); });
    }

    get elements() { return [...this.grid.querySelectorAll(".ui-place")]; }

    get places() {
      return this.elements.map(({dataset}) => ({
        id: Number(dataset.id), x: Number(dataset.x), y: Number(dataset.y), w: Number(dataset.w), h: Number(dataset.h),
      }));
    }

    element(id) { return this.grid.querySelector(`.ui-place[data-id="${id}"]`); }

    put(places) {
      for (const place of places) {
        const element = this.element(place.id);
        for (const name of ["x", "y", "w", "h"]) {
          element.dataset[name] = place[name];
          element.style.setProperty(`--${name}`, place[name]);
        }
        if (this.active) this.name(element);
      }
      const rows = Math.max(0, ...places.map((place) => place.y + place.h));
      this.grid.style.setProperty("--rows", rows + 2);
    }

    name(element) {
      const {name, x, y, w, h} = element.dataset;
      element.setAttribute("aria-label", `${name}: column ${Number(x) + 1}, row ${Number(y) + 1}, ${w} wide, ${h} high`);
    }

    // --- modes ------------------------------------------------------------------------------------------------------

    begin() {
      this.active = true;
      this.root.dataset.arranging = "1";
      this.before = this.grid.innerHTML;
      for (const element of this.elements) this.equip(element);
      this.show();
      this.put(this.places);
      (this.elements[0] ?? this.root.querySelector("[data-add-open]")).focus({preventScroll: true});
    }

    equip(element) {
      element.tabIndex = 0;
      element.setAttribute("role", "group");
      element.setAttribute("aria-roledescription", "movable widget");
      const remove = document.createElement("button");
      remove.type = "button";
      remove.className = "ui-remove";
      remove.dataset.remove = "1";
      remove.tabIndex = -1;
      remove.setAttribute("aria-label", `Take ${element.dataset.name} off`);
      remove.textContent = "×";
      const corner = document.createElement("span");
      corner.className = "ui-corner";
      corner.dataset.corner = "1";
      corner.setAttribute("aria-hidden", "true");
      element.append(remove, corner);
      this.name(element);
    }

    show() {
      for (const name of ["save", "discard", "add-open"]) this.root.querySelector(`[data-${name}]`).hidden = !this.active;
      this.root.querySelector("[data-begin]").hidden = this.active;
      this.root.querySelector("[data-how]").hidden = !this.active;
      for (const element of this.root.querySelectorAll("[data-at-rest]")) element.hidden = this.active;
    }

    say(text) { this.told.textContent = text; }

    // --- deeds ------------------------------------------------------------------------------------------------------

    clicked(event) {
      const target = event.target;
      if (target.closest("[data-begin]")) this.begin();
      else if (target.closest("[data-save]")) this.save();
      else if (target.closest("[data-discard]")) this.discard();
      else if (target.closest("[data-add-open]")) this.toggle(this.available.hidden);
      else if (target.closest("[data-add]")) this.add(target.closest("[data-add]"));
      else if (target.closest("[data-remove]")) this.remove(target.closest(".ui-place"));
    }

    toggle(open) {
      this.available.hidden = !open;
      this.root.querySelector("[data-add-open]").setAttribute("aria-expanded", String(open));
      if (open) this.available.querySelector("[data-find]").focus();
    }

    find(text) {
      const wanted = text.trim().toLowerCase();
      let found = 0;
      for (const line of this.available.querySelectorAll("li")) {
        line.hidden = Boolean(line.dataset.taken) || !line.dataset.words.includes(wanted);
        found += line.hidden ? 0 : 1;
      }
      this.available.querySelector("[data-none]").hidden = found > 0;
    }

    add(button) {
      const {add, w, h, address, every, name, type} = button.dataset;
      const place = firstFree(this.places, Number(add), Number(w), Number(h));
      if (!place || this.elements.length >= 100) return this.say("A dashboard holds a hundred widgets.");
      const element = document.createElement("section");
      element.className = "ui-place";
      Object.assign(element.dataset, {id: add, name});
      element.innerHTML = '<div class="ui-tile" role="group" aria-busy="true"><div class="ui-body" data-body><div class="ui-skeleton"></div></div></div>';
      Object.assign(element.firstChild.dataset, {tile: address, every});
      element.firstChild.setAttribute("aria-label", name);
      element.querySelector(".ui-skeleton").classList.add(`ui-skeleton-${type}`);
      this.grid.append(element);
      this.equip(element);
      this.put([...this.places.filter((one) => one.id !== place.id), place]);
      window.uiTiles(element);
      button.closest("li").dataset.taken = "1";
      button.closest("li").hidden = true;
      this.dirty = true;
      this.toggle(false);
      element.focus();
      this.say(`${element.getAttribute("aria-label")}: added.`);
    }

    remove(element) {
      const next = element.nextElementSibling ?? element.previousElementSibling;
      const name = element.dataset.name;
      element.remove();
      const line = this.available.querySelector(`[data-add="${element.dataset.id}"]`)?.closest("li");
      if (line) { delete line.dataset.taken; line.hidden = false; }
      this.dirty = true;
      (next ?? this.root.querySelector("[data-add-open]")).focus();
      this.say(`${name} is taken off.`);
    }

    discard() {
      this.dirty = false;
      location.reload();
    }

    async save() {
      const button = this.root.querySelector("[data-save]");
      const {scope, company, number, url} = this.root.dataset;
      const placements = this.places.map(({id, ...place}) => ({widget_id: id, ...place}));
      button.disabled = true;
      try {
        const answer = await fetch(url, {
          method: "POST", redirect: "manual",
          headers: {"Content-Type": "application/json", "X-CSRFToken": this.root.querySelector("[name=csrfmiddlewaretoken]").value},
          body: JSON.stringify({scope, company, [scope]: number, ...(scope === "company" ? {company: number} : {}), placements}),
        });
        if (answer.type === "opaqueredirect") return this.say("Your session is over: log in again in another tab, then save here. Nothing is lost.");
        if (!answer.ok) {
          const problem = await answer.json();
          const faults = (problem.errors ?? []).map((fault) => fault.message);
          return this.say(`Not stored: ${faults.join(" ") || problem.detail}`);
        }
        this.dirty = false;
        location.reload();
      } catch {
        this.say("The hub does not answer: nothing is stored yet, and nothing is lost. Save again.");
      } finally {
        button.disabled = false;
      }
    }

    // --- keys and pointers ------------------------------------------------------------------------------------------

    pressed(event) {
      const element = event.target.closest(".ui-place");
      if (!this.active || event.target !== element) return;
      if (event.key === "Delete" || event.key === "Backspace") {
        event.preventDefault();
        return this.remove(element);
      }
      const step = STEPS[event.key];
      if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      const place = this.places.find((one) => one.id === Number(element.dataset.id));
      const [dx, dy] = step;
      const wanted = event.shiftKey ? {...place, w: place.w + dx, h: place.h + dy} : {...place, x: place.x + dx, y: place.y + dy};
      if (event.shiftKey && wanted.x + wanted.w > COLUMNS) return;
      this.move(this.places, within(wanted));
      element.scrollIntoView({block: "nearest"});
      this.say(element.getAttribute("aria-label"));
    }

    move(from, place) {
      this.put(settle(from, place));
      this.dirty = true;
    }

    grasped(event) {
      const element = event.target.closest(".ui-place");
      if (!this.active || !element || event.button !== 0 || event.target.closest("[data-remove]")) return;
      event.preventDefault();
      element.focus({preventScroll: true});
      const resizing = Boolean(event.target.closest("[data-corner]"));
      const from = this.places;
      const start = from.find((one) => one.id === Number(element.dataset.id));
      const style = getComputedStyle(this.grid);
      const gap = parseFloat(style.columnGap);
      const column = (this.grid.clientWidth + gap) / COLUMNS;
      const row = parseFloat(style.gridAutoRows) + parseFloat(style.rowGap);
      const scrolled = window.scrollY;
      element.dataset.dragged = "1";
      element.setPointerCapture(event.pointerId);
      const moved = (now) => {
        const dx = Math.round((now.clientX - event.clientX) / column);
        const dy = Math.round((now.clientY - event.clientY + window.scrollY - scrolled) / row);
        const wanted = resizing
          ? {...start, w: Math.min(start.w + dx, COLUMNS - start.x), h: start.h + dy}
          : {...start, x: start.x + dx, y: start.y + dy};
        const place = within(wanted);
        if (["x", "y", "w", "h"].some((name) => String(place[name]) !== element.dataset[name])) this.move(from, place);
      };
      const done = () => {
        delete element.dataset.dragged;
        element.removeEventListener("pointermove", moved);
        element.removeEventListener("pointerup", done);
        element.removeEventListener("pointercancel", done);
        this.say(element.getAttribute("aria-label"));
      };
      element.addEventListener("pointermove", moved);
      element.addEventListener("pointerup", done);
      element.addEventListener("pointercancel", done);
    }
  }

  function switchScope(select) {
    const wanted = select.value;
    for (const label of select.form.querySelectorAll("[data-for-scope]")) {
      label.hidden = !label.dataset.forScope.split(" ").includes(wanted);
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    const root = document.getElementById("arrange");
    if (root) new Arranging(root);
    for (const select of document.querySelectorAll("[data-scope-switch]")) {
      select.addEventListener("change", () => switchScope(select));
      switchScope(select);
    }
  });
})();
