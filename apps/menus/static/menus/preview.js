// What somebody gets: asked of the hub, drawn as a tree that nobody can change; and why something is hidden.

import {ask, h, some, symbol} from "./dom.js";
import {Forest} from "./forest.js";
import {glyphOf, mark} from "./rows.js";
import {TreeView} from "./treeview.js";

function draw(node) {
  return [
    symbol(glyphOf(node), {class: node.icon ? "menu-icon" : "menu-icon menu-no-icon"}),
    h("span", {class: "menu-name", title: node.name}, node.name),
    h("span", {class: "menu-marks"}, node.off && mark(node.why, "grey", ""), node.pinned && mark("pinned", "faint", ""), node.status && mark(node.status, "amber", "")),
  ];
}

export class Preview {
  constructor(panel) {
    this.panel = panel;
    this.form = panel.querySelector("form");
    this.told = panel.querySelector("[data-told]");
    this.why = panel.querySelector("[data-why]");
    this.forest = new Forest();
    this.view = new TreeView(panel.querySelector("[data-result]"), this.forest, {label: "What they get", draw, rowHeight: 32});
    this.view.tree.hidden = true;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.show();
    });
    this.form.elements.hidden.addEventListener("change", () => this.narrow());
    this.view.addEventListener("active", ({detail}) => this.explain(detail.id));
  }

  query(more = {}) {
    const asked = new URLSearchParams(new FormData(this.form));
    asked.delete("hidden");
    asked.delete("csrfmiddlewaretoken");
    for (const [name, value] of Object.entries(more)) asked.set(name, value);
    return asked;
  }

  async show() {
    this.told.textContent = "Asking …";
    this.why.replaceChildren();
    this.asked = this.query();
    try {
      const answer = await ask(`${this.panel.dataset.preview}?${this.asked}`);
      this.take(answer);
    } catch (error) {
      this.told.textContent = error.message;
    }
  }

  take(answer) {
    this.nodes = answer.nodes;
    this.forest.open = new Set(answer.nodes.length <= 60 ? answer.nodes.map((node) => node.id) : []);
    const hidden = answer.nodes.filter((node) => node.off).length;
    const shown = answer.nodes.length - hidden;
    this.told.textContent = `${answer.told} ${shown ? some(shown, "item") : "nothing"}${hidden ? `, and not ${some(hidden, "other")}` : ""}.`;
    this.narrow();
  }

  narrow() {
    const all = this.form.elements.hidden.checked;
    // What is below something hidden is hidden, too.
    this.forest.load((this.nodes ?? []).filter((node) => all || !node.off));
    this.view.refresh();
  }

  async explain(id) {
    const node = this.forest.node(id);
    if (!node || this.explained === id) return;
    this.explained = id;
    if (!node.off) {
      this.why.replaceChildren(h("p", {}, h("strong", {}, node.name), " is shown."));
      return;
    }
    const asked = new URLSearchParams(this.asked);
    asked.set("item", id);
    try {
      const answer = await ask(`${this.panel.dataset.whyAddress}?${asked}`);
      if (this.explained !== id) return;
      this.why.replaceChildren(h("p", {}, h("strong", {}, node.name), " is hidden:"), h("ul", {}, answer.reasons.map((reason) => h("li", {}, reason))));
    } catch (error) {
      this.why.replaceChildren(h("p", {}, error.message));
    }
  }
}
