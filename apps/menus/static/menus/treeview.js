// A tree on the page (WAI-ARIA tree pattern). Only the rows in sight are drawn, so ten thousand cost what thirty do.

import {h, symbol} from "./dom.js";
import {WAITING} from "./forest.js";

const MARGIN = 6; // rows drawn above and below those in sight
const TYPING_MS = 700;

export class TreeView extends EventTarget {
  // `draw(node, row)` returns what stands in a row after its sign for opening.
  constructor(scroller, forest, {label, draw, many = false, rowHeight}) {
    super();
    this.scroller = scroller;
    this.forest = forest;
    this.draw = draw;
    this.many = many;
    this.rowHeight = rowHeight ?? (matchMedia("(pointer: coarse)").matches ? 44 : 36);
    this.rows = [];
    this.at = new Map(); // id → its place among the rows
    this.elements = new Map();
    this.active = null;
    this.anchor = null;
    this.chosen = new Set();
    this.typed = "";
    this.typedAt = 0;
    this.editing = null;
    this.tree = h("div", {role: "tree", class: "menu-tree", "aria-label": label, "aria-multiselectable": many ? "true" : null});
    this.tree.style.setProperty("--menu-row", `${this.rowHeight}px`);
    scroller.replaceChildren(this.tree);
    scroller.addEventListener("scroll", () => this.paint(), {passive: true});
    new ResizeObserver(() => this.paint()).observe(scroller);
    this.tree.addEventListener("keydown", (event) => this.key(event));
    this.tree.addEventListener("click", (event) => this.click(event));
    this.tree.addEventListener("dblclick", (event) => {
      const id = this.idOf(event.target);
      if (id !== null && !event.target.closest(".menu-twist, button")) this.emit("rename", {id});
    });
    this.tree.addEventListener("focusin", (event) => {
      const id = this.idOf(event.target);
      if (id !== null && id !== this.active) this.activate(id, {focus: false});
    });
  }

  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, {detail}));
  }

  idOf(target) {
    const row = target.closest?.("[role=treeitem]");
    return row && this.tree.contains(row) ? Number(row.dataset.id) : null;
  }

  // --- drawing ------------------------------------------------------------------------------------------------------

  // Asks the forest for its rows again, and draws those in sight.
  refresh() {
    this.rows = this.forest.rows();
    this.at = new Map(this.rows.map((row, index) => [row.id, index]));
    for (const id of [...this.chosen]) if (!this.forest.node(id)) this.chosen.delete(id);
    if (!this.at.has(this.active)) this.active = this.nearest(this.active);
    this.tree.hidden = !this.rows.length;
    this.tree.style.height = `${this.rows.length * this.rowHeight}px`;
    this.paint();
  }

  // What to stand on when the row one stood on is gone: what was above it, else the first.
  nearest(id) {
    const above = id !== null && this.forest.node(id) ? this.forest.above(id).find((one) => this.at.has(one)) : undefined;
    return above ?? this.rows[0]?.id ?? null;
  }

  paint() {
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / this.rowHeight) - MARGIN);
    const last = Math.min(this.rows.length, Math.ceil((this.scroller.scrollTop + this.scroller.clientHeight) / this.rowHeight) + MARGIN);
    const wanted = new Set();
    for (let index = first; index < last; index++) wanted.add(index);
    // What has the focus, or is being typed into, stays although it is out of sight.
    for (const id of [this.active, this.editing]) if (this.at.has(id)) wanted.add(this.at.get(id));
    const ids = new Set([...wanted].map((index) => this.rows[index].id));
    for (const [id, element] of this.elements) {
      if (ids.has(id)) continue;
      element.remove();
      this.elements.delete(id);
    }
    let before = this.tree.firstChild;
    for (const index of [...wanted].sort((a, b) => a - b)) {
      const element = this.rowElement(index);
      if (element === before) before = before.nextSibling;
      else this.tree.insertBefore(element, before);
    }
  }

  rowElement(index) {
    const row = this.rows[index];
    const node = this.forest.node(row.id);
    let element = this.elements.get(row.id);
    if (!element) {
      element = h("div", {role: "treeitem", class: "menu-row", "data-id": row.id, id: `${this.tree.id || "row"}-${row.id}`});
      this.elements.set(row.id, element);
    }
    element.style.top = `${index * this.rowHeight}px`;
    const chosen = this.chosen.has(row.id);
    const isActive = row.id === this.active;
    const sign = [node.stamp, row.level, row.place, row.size, row.inner, row.open, chosen, isActive, this.forest.found.has(row.id), this.forest.kept !== null].join();
    if (element.dataset.sign === sign || this.editing === row.id) return element;
    element.dataset.sign = sign;
    this.describe(element, row, {chosen, isActive});
    element.style.setProperty("--menu-level", row.level - 1);
    element.classList.toggle("menu-found", this.forest.found.has(row.id));
    element.classList.toggle("menu-beside", this.forest.kept !== null && !this.forest.found.has(row.id));
    element.classList.toggle("menu-off", Boolean(node.off));
    const twist = h("span", {class: "menu-twist", "aria-hidden": "true"}, row.inner ? symbol("chevron_right") : "");
    element.replaceChildren(twist, ...[this.draw(node, row)].flat(2).filter(Boolean));
    return element;
  }

  describe(element, row, {chosen, isActive}) {
    element.setAttribute("aria-level", row.level);
    element.setAttribute("aria-posinset", row.place);
    element.setAttribute("aria-setsize", row.size);
    if (row.inner) element.setAttribute("aria-expanded", row.open);
    else element.removeAttribute("aria-expanded");
    element.setAttribute("aria-selected", chosen);
    element.tabIndex = isActive ? 0 : -1;
  }

  elementOf(id) {
    return this.elements.get(id) ?? null;
  }

  reveal(id) {
    for (const above of this.forest.above(id)) this.forest.setOpen(above, true);
    this.refresh();
    this.scrollTo(id);
  }

  scrollTo(id) {
    const index = this.at.get(id);
    if (index === undefined) return;
    const [top, bottom] = [index * this.rowHeight, (index + 1) * this.rowHeight];
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (bottom > this.scroller.scrollTop + this.scroller.clientHeight) this.scroller.scrollTop = bottom - this.scroller.clientHeight;
    this.paint();
  }

  // --- focus and choice ---------------------------------------------------------------------------------------------

  activate(id, {focus = true, choose = false} = {}) {
    if (id === null || !this.at.has(id)) return;
    this.active = id;
    if (choose) {
      this.chosen = new Set([id]);
      this.anchor = id;
    }
    this.scrollTo(id);
    if (focus) this.elementOf(id)?.focus({preventScroll: true});
    this.emit("active", {id});
  }

  choose(ids) {
    this.chosen = new Set(ids);
    this.paint();
    this.emit("active", {id: this.active});
  }

  toggle(id) {
    if (this.chosen.has(id)) this.chosen.delete(id);
    else this.chosen.add(id);
    this.anchor = id;
    this.activate(id);
  }

  extend(id) {
    const from = this.at.get(this.anchor ?? this.active) ?? 0;
    const to = this.at.get(id);
    const [low, high] = [Math.min(from, to), Math.max(from, to)];
    this.chosen = new Set(this.rows.slice(low, high + 1).map((row) => row.id).filter((one) => one !== WAITING));
    this.anchor ??= this.active;
    this.activate(id);
  }

  click(event) {
    const id = this.idOf(event.target);
    if (id === null || event.target.closest("input, button, a")) return;
    if (event.target.closest(".menu-twist")) this.openOrClose(id);
    if (this.many && event.shiftKey) this.extend(id);
    else if (this.many && (event.ctrlKey || event.metaKey)) this.toggle(id);
    else this.activate(id, {choose: true});
  }

  openOrClose(id, open = !this.rows[this.at.get(id)]?.open) {
    this.forest.setOpen(id, open);
    this.refresh();
  }

  // --- keyboard -----------------------------------------------------------------------------------------------------

  key(event) {
    const row = this.rows[this.at.get(this.active)];
    if (!row || event.target.closest("input, button")) return;
    if (event.altKey) return;
    const handled = event.ctrlKey || event.metaKey ? this.keyWithControl(event, row) : this.plainKey(event, row);
    if (handled) event.preventDefault();
  }

  keyWithControl(event, row) {
    if (!this.many) return false;
    if (event.key === "a") this.choose(this.rows.map((one) => one.id).filter((id) => id !== WAITING));
    else if (event.key === " ") this.toggle(row.id);
    else return false;
    return true;
  }

  plainKey(event, row) {
    const index = this.at.get(row.id);
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.rowHeight) - 1);
    const steps = {ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: this.rows.length - 1, PageDown: index + page, PageUp: index - page};
    if (event.key in steps) {
      const to = this.rows[Math.min(Math.max(steps[event.key], 0), this.rows.length - 1)].id;
      if (event.shiftKey && this.many) this.extend(to);
      else this.activate(to, {choose: true});
      return true;
    }
    if (event.key === "ArrowRight") {
      if (row.inner && !row.open) this.openOrClose(row.id, true);
      else if (row.open) this.activate(this.rows[index + 1].id, {choose: true});
      return true;
    }
    if (event.key === "ArrowLeft") {
      if (row.open) this.openOrClose(row.id, false);
      else if (row.level > 1) this.activate(this.forest.node(row.id).parent, {choose: true});
      return true;
    }
    if (event.key === " ") {
      if (this.many) this.toggle(row.id);
      else this.activate(row.id, {choose: true});
      return true;
    }
    if (event.key === "Enter") {
      this.emit("enter", {id: row.id});
      return true;
    }
    if (event.key === "F2") {
      this.emit("rename", {id: row.id});
      return true;
    }
    if (event.key === "*") {
      for (const id of this.forest.shownKids(this.forest.node(row.id).parent)) if (this.forest.shownKids(id).length) this.forest.setOpen(id, true);
      this.refresh();
      return true;
    }
    return event.key.length === 1 && event.key !== "/" && this.typeahead(event.key, index);
  }

  // Goes to the next row whose name begins with what was typed.
  typeahead(letter, index) {
    const now = performance.now();
    this.typed = now - this.typedAt < TYPING_MS ? this.typed + letter : letter;
    this.typedAt = now;
    const wanted = this.typed.toLowerCase();
    const start = this.typed.length === 1 ? index + 1 : index;
    for (let step = 0; step < this.rows.length; step++) {
      const row = this.rows[(start + step) % this.rows.length];
      if (this.forest.node(row.id).name.toLowerCase().startsWith(wanted)) {
        this.activate(row.id, {choose: true});
        return true;
      }
    }
    return true;
  }

  // --- renaming -----------------------------------------------------------------------------------------------------

  // Lets somebody type a name into the row; `done(name)` gets it, unless it stays as it was.
  rename(id, done) {
    const place = this.elementOf(id)?.querySelector(".menu-name");
    if (!place || this.editing !== null) return;
    const old = this.forest.node(id).name;
    const input = h("input", {class: "menu-rename", value: old, maxlength: 80, "aria-label": `New name of ${old}`, spellcheck: "false"});
    this.editing = id;
    const end = (keep, refocus) => {
      if (this.editing !== id) return;
      this.editing = null;
      const name = input.value.trim();
      const row = this.elementOf(id);
      if (row) row.dataset.sign = "";
      this.paint();
      if (refocus) this.elementOf(id)?.focus({preventScroll: true});
      if (keep && name && name !== old) done(name);
    };
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") end(true, true);
      if (event.key === "Escape") end(false, true);
    });
    input.addEventListener("blur", () => end(true, false));
    for (const kind of ["pointerdown", "dblclick", "click"]) input.addEventListener(kind, (event) => event.stopPropagation());
    place.replaceWith(input);
    input.focus();
    input.select();
  }
}
