// What is known of the chosen item, and everything that may be changed of it.

import {button, h, link, some, symbol} from "./dom.js";
import {changesOf, glyphOf, mark} from "./rows.js";

// `deeds` are the page's: rename, chooseIcon, chooseParent, hide, show, pin, unpin, reset.
export class Inspector {
  constructor(place, {forest, deeds, page}) {
    this.place = place;
    this.forest = forest;
    this.deeds = deeds;
    this.page = page;
    this.drawn = "";
  }

  // Draws anew, unless nothing changed or somebody types in it.
  show(ids) {
    const nodes = ids.map((id) => this.forest.node(id)).filter((node) => node && !node.group);
    const sign = nodes.map((node) => `${node.id}:${node.stamp}`).join();
    if (sign === this.drawn || (this.place.contains(document.activeElement) && document.activeElement.matches("input") && document.activeElement.value !== document.activeElement.defaultValue)) return;
    const field = this.place.contains(document.activeElement) ? document.activeElement.dataset.deed : null;
    this.drawn = sign;
    if (!nodes.length) this.place.replaceChildren(this.nothing());
    else this.place.replaceChildren(...(nodes.length === 1 ? this.one(nodes[0]) : this.many(nodes)).flat().filter(Boolean));
    if (field) this.place.querySelector(`[data-deed="${field}"]`)?.focus();
  }

  nothing() {
    return h("p", {class: "hub-quiet"}, "Choose an item in the tree to see what its service says of it, and to change it.");
  }

  many(nodes) {
    const changed = nodes.filter((node) => changesOf(node).some((change) => change.isHere));
    return [
      h("h2", {}, some(nodes.length, "item"), " chosen"),
      h("ul", {class: "menu-chosen"}, nodes.slice(0, 8).map((node) => h("li", {class: "hub-name"}, node.name)), nodes.length > 8 && h("li", {class: "hub-quiet"}, `and ${nodes.length - 8} more`)),
      this.page.mayChange && h("div", {class: "hub-buttons"},
        button("Move …", () => this.deeds.chooseParent(), {icon: "drive_file_move", "data-deed": "move"}),
        button("Hide", () => this.deeds.set({hidden: true}), {icon: "visibility_off", "data-deed": "hide"}),
        button("Show", () => this.deeds.set({hidden: false}), {icon: "visibility", "data-deed": "show"}),
        changed.length > 0 && button(`Reset ${some(changed.length, "item")}`, () => this.deeds.reset(null), {icon: "restart_alt", "data-deed": "reset"})),
    ];
  }

  one(node) {
    const changes = new Map(changesOf(node).map((change) => [change.field, change]));
    return [
      h("h2", {class: "hub-name"}, symbol(glyphOf(node)), node.name),
      h("p", {class: "menu-facts"}, link(this.page.service.replace("SERVICE", encodeURIComponent(node.service)), node.service), " ", h("span", {class: "hub-mono hub-name"}, node.path ?? node.url), " ", node.company_name && h("span", {class: "hub-tag"}, node.company_name)),
      (node.marks ?? []).map(({word, tone, told}) => h("p", {class: "menu-told"}, mark(word, tone, ""), " ", told)),
      this.name(node, changes.get("name")),
      this.line("Icon", h("span", {class: "menu-value"}, symbol(glyphOf(node)), node.icon || "none"), changes.get("icon"), this.page.mayChange && button("Change …", () => this.deeds.chooseIcon(), {"data-deed": "icon"})),
      this.line("Place", h("span", {class: "menu-value hub-name"}, this.forest.trail(node.id).join(" › ") || "At the top"), changes.get("place"), this.page.mayChange && button("Move …", () => this.deeds.chooseParent(), {"data-deed": "move"})),
      this.line("Visibility", h("span", {class: "menu-value"}, node.hidden ? "Hidden" : "Shown to whoever may see it"), changes.get("hidden"), this.page.mayChange && this.toggle("hidden", node.hidden ? "Show" : "Hide", !node.hidden)),
      this.line("Pin", h("span", {class: "menu-value"}, node.pinned ? "Pinned" : "Not pinned"), changes.get("pinned"), this.page.mayChange && this.toggle("pinned", node.pinned ? "Unpin" : "Pin", !node.pinned)),
      node.permissions?.length > 0 && this.line("Needs", h("span", {class: "menu-value hub-mono hub-name"}, node.permissions.join(node.any_of ? " or " : ", "))),
      h("div", {class: "hub-buttons menu-more"},
        this.page.mayChange && [...changes.values()].some((change) => change.isHere) && button("Reset everything", () => this.deeds.reset(null), {icon: "restart_alt", "data-deed": "reset"}),
        h("a", {class: "hub-button", href: this.page.item.replace("/0/", `/${node.id}/`)}, symbol("article"), "Its page")),
    ];
  }

  toggle(field, word, value) {
    return button(word, () => this.deeds.set({[field]: value}), {"data-deed": field});
  }

  name(node, change) {
    if (!this.page.mayChange) return this.line("Name", h("span", {class: "menu-value hub-name"}, node.name), change);
    const input = h("input", {class: "menu-input", value: node.name, maxlength: 80, "aria-label": "Name", "data-deed": "name", spellcheck: "false"});
    const save = () => {
      const name = input.value.trim();
      if (name && name !== node.name) this.deeds.rename(node.id, name);
      else input.value = node.name;
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") save();
      if (event.key === "Escape") input.value = node.name;
    });
    input.addEventListener("blur", save);
    return this.line("Name", input, change);
  }

  // A line: what it is, its value, a button; and below, what the service says, with the way back to that.
  line(title, value, change, deed) {
    return h("div", {class: "menu-field"},
      h("span", {class: "menu-title"}, title), value, deed || "",
      change && h("p", {class: "menu-said"}, mark(change.word, change.drift ? "amber" : "violet", ""), " ", change.told,
        change.isHere && this.page.mayChange
          ? [" ", h("button", {type: "button", class: "menu-reset", "data-deed": `reset-${change.field}`, onclick: () => this.deeds.reset(change.fields)}, "Reset", h("span", {class: "hub-unseen"}, ` ${change.title}`))]
          : !change.isHere && h("span", {class: "hub-quiet"}, ` Changed for ${change.where}.`)));
  }
}
