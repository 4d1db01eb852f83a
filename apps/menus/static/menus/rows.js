// How a row of the menu tree looks, and the words for what operators changed.

import {h, symbol} from "./dom.js";

export const WORDS = {name: "renamed", icon: "new icon", parent_id: "moved", order_number: "reordered", hidden: "hidden", pinned: "pinned"};
const TITLES = {name: "Name", icon: "Icon", place: "Place", hidden: "Visibility", pinned: "Pin"};

// What is changed of a node, with place and order as one: [{field, fields, word, title, said, isHere, where, drift}].
export function changesOf(node) {
  const changes = node.changes ?? {};
  const found = [];
  for (const field of ["name", "icon", "parent_id", "order_number", "hidden", "pinned"]) {
    const change = changes[field];
    if (!change || (field === "order_number" && changes.parent_id?.isHere === change.isHere)) continue;
    const fields = field === "parent_id" && changes.order_number ? ["parent_id", "order_number"] : [field];
    const word = field === "hidden" && !node.hidden ? "shown" : field === "pinned" && !node.pinned ? "unpinned" : WORDS[field];
    const key = ["parent_id", "order_number"].includes(field) ? "place" : field;
    found.push({field: key, fields, word, title: TITLES[key], ...change});
  }
  return found;
}

// The symbol that draws a node's icon; the hub says it where it is not the icon's own name.
export function glyphOf(node) {
  return (node.glyph ?? node.icon) || "radio_button_unchecked";
}

export function mark(word, tone, told, extra = "") {
  return h("span", {class: `menu-mark hub-tone-${tone} ${extra}`, title: told}, word);
}

export function drawRow(node, {mayChange}) {
  if (node.group) {
    return [symbol(node.icon, {class: "menu-icon"}), h("span", {class: "menu-name"}, node.name), mark(`${node.count ?? ""}`, "amber", "They wait for a parent, or their path was handed to another service")];
  }
  const changes = changesOf(node).map((change) =>
    mark(change.word, change.drift ? "amber" : change.isHere ? "violet" : "faint", `${change.told}${change.isHere ? "" : ` (changed for ${change.where})`}`, "menu-change"));
  const marks = (node.marks ?? []).map(({word, tone, told}) => mark(word, tone, told));
  return [
    symbol(glyphOf(node), {class: node.icon ? "menu-icon" : "menu-icon menu-no-icon"}),
    h("span", {class: "menu-name", title: node.name}, node.name),
    node.saving && h("span", {class: "menu-saving", title: "Not saved yet"}, "…"),
    h("span", {class: "menu-marks"}, marks, changes),
    h("span", {class: "menu-service", title: node.path ?? node.url}, node.company_name ? `${node.service} · ${node.company_name}` : node.service),
    mayChange && h("span", {class: "menu-handle", "aria-hidden": "true"}, symbol("drag_indicator")),
  ];
}
