// Dialogs that ask for one thing among many: an icon, or a place in the tree. Typing narrows, arrows go, Enter takes.

import {ask, button, h, symbol} from "./dom.js";
import {TOP, WAITING} from "./forest.js";
import {glyphOf} from "./rows.js";

const MOST_SHOWN = 60;

// Asks for one of `find(text)`: [{value, label, draw}], once `ready` is. Resolves to the value, or undefined.
function choose({title, hint, find, grid = false, ready}) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    const list = h("div", {class: grid ? "menu-grid" : "menu-list", role: "group", "aria-label": title});
    const search = h("input", {type: "search", class: "menu-input", placeholder: hint, "aria-label": hint, autocomplete: "off"});
    const dialog = h("dialog", {class: "menu-dialog", "aria-label": title}, h("h2", {class: "hub-name"}, title), search, list, h("div", {class: "hub-buttons"}, button("Cancel", () => dialog.close())));
    let answer;
    const take = (value) => {
      answer = value;
      dialog.close();
    };
    const fill = () => {
      const found = find(search.value.trim().toLowerCase());
      const shown = found.slice(0, MOST_SHOWN);
      list.replaceChildren(...shown.map(({value, label, draw}) => h("button", {type: "button", class: "menu-option", title: label, onclick: () => take(value)}, draw)));
      if (found.length > shown.length) list.append(h("p", {class: "hub-quiet"}, `${found.length - shown.length} more: type to narrow them.`));
      if (!found.length) list.append(h("p", {class: "hub-quiet"}, "Nothing is called like that."));
    };
    search.addEventListener("input", fill);
    dialog.addEventListener("keydown", (event) => {
      const options = [...list.querySelectorAll("button")];
      const at = options.indexOf(document.activeElement);
      const steps = grid ? {ArrowRight: 1, ArrowLeft: -1, ArrowDown: perLine(options), ArrowUp: -perLine(options)} : {ArrowDown: 1, ArrowUp: -1};
      if (event.target === search && event.key === "Enter" && options.length) {
        event.preventDefault();
        options[0].click();
      } else if (event.key in steps && (at >= 0 || event.key === "ArrowDown")) {
        event.preventDefault();
        const next = at < 0 ? 0 : at + steps[event.key];
        if (next < 0) search.focus();
        else options[Math.min(next, options.length - 1)]?.focus();
      }
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      before?.focus?.();
      resolve(answer);
    });
    if (ready) {
      list.replaceChildren(h("p", {class: "hub-quiet"}, "Asking the hub …"));
      ready.then(fill, (error) => list.replaceChildren(h("p", {}, error.message)));
    } else {
      fill();
    }
    document.body.append(dialog);
    dialog.showModal();
    search.focus();
  });
}

function perLine(options) {
  const first = options[0]?.offsetTop;
  return Math.max(1, options.filter((option) => option.offsetTop === first).length);
}

let icons = null; // all of them: [[name, glyph]], asked for once

async function askForIcons(address) {
  icons ??= (await ask(address)).icons;
}

export function chooseIcon(address, name) {
  const plain = (word) => word.replace(/[_-]/g, " ");
  return choose({
    title: `Icon of ${name}`,
    hint: "Search icons",
    grid: true,
    ready: askForIcons(address),
    find: (text) => (icons ?? []).filter(([word]) => plain(word).includes(plain(text))).map(([word, glyph]) => ({value: word, label: word, draw: [symbol(glyph), h("span", {class: "menu-caption"}, word)]})),
  });
}

// Asks below what `ids` shall stand; the top is the first answer.
export function chooseParent(forest, ids, title) {
  const places = [{value: TOP, label: "At the top", draw: [symbol("vertical_align_top"), h("strong", {}, "At the top")]}];
  const walk = (parent, trail) => {
    for (const id of forest.kids(parent)) {
      if (ids.includes(id) || id === WAITING) continue;
      const node = forest.node(id);
      const way = [...trail, node.name];
      places.push({value: id, label: way.join(" › "), text: `${way.join(" ")} ${node.service}`.toLowerCase(), inner: forest.kids(id).length, node, trail});
      walk(id, way);
    }
  };
  walk(TOP, []);
  const draw = ({node, trail}) => [symbol(glyphOf(node)), h("span", {class: "menu-way"}, trail.length > 0 && h("span", {class: "hub-quiet"}, `${trail.join(" › ")} › `), node.name)];
  return choose({
    title,
    hint: "Below which item?",
    find: (text) => {
      const found = places.filter((place) => !text || (place.text ?? "at the top").includes(text));
      // Without a word, folders come first: they are what things are put into.
      if (!text) found.sort((a, b) => (b.value === TOP) - (a.value === TOP) || (b.inner > 0) - (a.inner > 0));
      return found.map((place) => ({...place, draw: place.draw ?? draw(place)}));
    },
  });
}
