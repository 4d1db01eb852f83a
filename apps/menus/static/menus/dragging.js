// Dragging rows of a tree with a mouse, a pen or a finger: where they would go is drawn before they are let go.

import {h, some} from "./dom.js";
import {TOP, WAITING} from "./forest.js";

const STARTS_AFTER_PX = 5;
const OPENS_AFTER_MS = 600;
const EDGE_PX = 40;

// `mayMove(id)` says whether a row may be taken; `drop(ids, parent, before)` moves.
export class Dragging {
  constructor(view, {mayMove, drop}) {
    this.view = view;
    this.mayMove = mayMove;
    this.drop = drop;
    this.start = null;
    this.place = null;
    this.line = h("div", {class: "menu-line", "aria-hidden": "true"});
    this.ghost = h("div", {class: "menu-ghost", "aria-hidden": "true"});
    view.tree.addEventListener("pointerdown", (event) => this.down(event));
    window.addEventListener("pointermove", (event) => this.moved(event));
    window.addEventListener("pointerup", (event) => this.up(event));
    window.addEventListener("pointercancel", () => this.stop());
    window.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.ids) {
        event.preventDefault();
        this.stop();
      }
    });
    // A click that ends a drag chooses nothing.
    view.tree.addEventListener("click", (event) => {
      if (this.swallow) event.stopPropagation();
      this.swallow = false;
    }, true);
  }

  down(event) {
    this.swallow = false;
    const id = this.view.idOf(event.target);
    if (id === null || event.button || event.target.closest("input, button, a, .menu-twist") || !this.mayMove(id)) return;
    // A finger scrolls, unless it is on the handle.
    if (event.pointerType === "touch" && !event.target.closest(".menu-handle")) return;
    this.start = {id, x: event.clientX, y: event.clientY, pointer: event.pointerId};
  }

  moved(event) {
    if (!this.start || event.pointerId !== this.start.pointer) return;
    if (!this.ids) {
      if (Math.hypot(event.clientX - this.start.x, event.clientY - this.start.y) < STARTS_AFTER_PX) return;
      this.begin();
    }
    event.preventDefault();
    this.x = event.clientX;
    this.y = event.clientY;
    this.ghost.style.transform = `translate(${this.x + 14}px, ${this.y + 10}px)`;
    this.aim();
  }

  begin() {
    const {forest, chosen} = this.view;
    const ids = chosen.has(this.start.id) ? [...chosen].filter((id) => this.mayMove(id)) : [this.start.id];
    this.ids = forest.roots(ids);
    this.ghost.textContent = this.ids.length === 1 ? forest.node(this.ids[0]).name : some(this.ids.length, "item");
    document.body.append(this.ghost);
    this.view.tree.append(this.line);
    this.view.tree.classList.add("menu-dragging");
    for (const id of this.ids) this.view.elementOf(id)?.classList.add("menu-taken");
    getSelection()?.removeAllRanges();
    this.scrolling = setInterval(() => this.scroll(), 30);
  }

  scroll() {
    const box = this.view.scroller.getBoundingClientRect();
    const near = this.y < box.top + EDGE_PX ? -1 : this.y > box.bottom - EDGE_PX ? 1 : 0;
    if (!near || this.x < box.left || this.x > box.right) return;
    this.view.scroller.scrollTop += near * 10;
    this.aim();
  }

  // Finds the place under the pointer: {parent, before}, and draws it.
  aim() {
    const {view} = this;
    const box = view.tree.getBoundingClientRect();
    const index = Math.floor((this.y - box.top) / view.rowHeight);
    const inside = this.x >= box.left && this.x <= box.right && this.y >= box.top - EDGE_PX;
    const row = view.rows[Math.min(Math.max(index, 0), view.rows.length - 1)];
    this.place = inside && row ? this.placeAt(row, index, (this.y - box.top) / view.rowHeight - index) : null;
    if (this.place && this.ids.some((id) => view.forest.isWithin(this.place.parent, [id]))) this.place = null;
    this.show();
  }

  placeAt(row, index, part) {
    const {forest} = this.view;
    const node = forest.node(row.id);
    if (index >= this.view.rows.length || node.parent === WAITING || row.id === WAITING) return this.atTheEnd();
    if (part < 0.28) return {parent: node.parent, before: row.id, row, line: "above"};
    if (part > 0.72 && row.open) return {parent: row.id, before: forest.kids(row.id)[0] ?? null, row, line: "inside"};
    if (part > 0.72) return {parent: node.parent, before: this.next(node), row, line: "below"};
    return {parent: row.id, before: null, row, line: "into"};
  }

  atTheEnd() {
    const tops = this.view.rows.filter((row) => row.level === 1 && row.id !== WAITING);
    if (!tops.length) return null;
    return {parent: TOP, before: null, row: this.lastOpenBelow(tops.at(-1)), level: 1, line: "below"};
  }

  lastOpenBelow(row) {
    let index = this.view.at.get(row.id);
    while (this.view.rows[index + 1]?.level > row.level) index++;
    return this.view.rows[index];
  }

  next(node) {
    const siblings = this.view.forest.kids(node.parent).filter((id) => !this.ids.includes(id) || id === node.id);
    const found = siblings[siblings.indexOf(node.id) + 1] ?? null;
    return found === WAITING ? null : found;
  }

  show() {
    const {place, view} = this;
    view.tree.querySelector(".menu-into")?.classList.remove("menu-into");
    this.line.hidden = !place || place.line === "into";
    document.body.classList.toggle("menu-no-drop", !place);
    clearTimeout(this.opening);
    if (!place) return;
    if (place.line === "into") {
      view.elementOf(place.row.id)?.classList.add("menu-into");
      if (place.row.inner && !place.row.open) this.opening = setTimeout(() => this.ids && view.openOrClose(place.row.id, true), OPENS_AFTER_MS);
      return;
    }
    const index = view.at.get(place.row.id) + (place.line === "above" ? 0 : 1);
    this.line.style.top = `${index * view.rowHeight - 1}px`;
    this.line.style.setProperty("--menu-level", (place.level ?? place.row.level) - (place.line === "inside" ? 0 : 1));
  }

  up(event) {
    if (!this.start || event.pointerId !== this.start.pointer) return;
    const {ids, place} = this;
    this.swallow = Boolean(ids);
    this.stop();
    if (!ids || !place) return;
    // In front of one that moves along is in front of what follows it.
    let {before} = place;
    const siblings = this.view.forest.kids(place.parent);
    while (before !== null && ids.includes(before)) before = siblings[siblings.indexOf(before) + 1] ?? null;
    this.drop(ids, place.parent, before === WAITING ? null : before);
  }

  stop() {
    clearInterval(this.scrolling);
    clearTimeout(this.opening);
    this.start = this.ids = this.place = null;
    this.ghost.remove();
    this.line.remove();
    document.body.classList.remove("menu-no-drop");
    this.view.tree.classList.remove("menu-dragging");
    for (const element of this.view.tree.querySelectorAll(".menu-taken, .menu-into")) element.classList.remove("menu-taken", "menu-into");
  }
}
