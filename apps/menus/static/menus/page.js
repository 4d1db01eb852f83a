// The page of the menu tree: puts tree, panel, search, saving and the keyboard together.

import {ask, h, some} from "./dom.js";
import {chooseIcon, chooseParent} from "./dialogs.js";
import {Dragging} from "./dragging.js";
import {Forest, TOP, WAITING} from "./forest.js";
import {Inspector} from "./inspector.js";
import {Preview} from "./preview.js";
import {changesOf, drawRow} from "./rows.js";
import {Saving} from "./saving.js";
import {TreeView} from "./treeview.js";
import {watchScopes} from "./whom.js";

const LOOKS_EVERY_MS = 5000;
const TYPED_MS = 150;

const root = document.getElementById("menus");
const page = {mayChange: root.dataset.mayChange === "1", whom: root.dataset.whom, item: root.dataset.page, service: root.dataset.service};
const shared = {scope: root.dataset.scope, scope_id: Number(root.dataset.scopeId), company_id: root.dataset.companyId ? Number(root.dataset.companyId) : null};
const memory = `menus-open-${root.dataset.scope}-${root.dataset.scopeId}-${root.dataset.companyId}`;
const part = (name) => root.querySelector(`[data-part-of="${name}"]`);

const forest = new Forest();
const view = new TreeView(part("tree"), forest, {label: `Menu of ${page.whom}`, many: page.mayChange, draw: (node) => drawRow(node, page)});
let stamp = null;

// --- telling --------------------------------------------------------------------------------------------------------

function say(text) {
  part("told").textContent = "";
  requestAnimationFrame(() => { part("told").textContent = text; });
}

function names(ids) {
  return ids.length === 1 ? `“${forest.node(ids[0])?.name}”` : some(ids.length, "item");
}

function placeOf(id) {
  const node = forest.node(id);
  const siblings = forest.kids(node.parent).filter((one) => one !== WAITING);
  const where = node.parent === TOP ? "at the top" : `below ${forest.node(node.parent).name}`;
  return `${where}, ${siblings.indexOf(id) + 1} of ${siblings.length}`;
}

// --- saving ---------------------------------------------------------------------------------------------------------

const saving = new Saving({
  body: shared,
  takeIn(answer, deed, isLast) {
    for (const id of deed.ids ?? []) if (forest.node(id)) forest.node(id).saving = false;
    if (answer.all) load(answer.all);
    else forest.merge(answer);
    stamp = answer.stamp;
    redraw();
    if (isLast) say(`${deed.told} Saved.`);
    if (deed.isUndo && answer.nodes?.length) view.reveal(answer.nodes[0].id);
  },
  startOver: fetchAll,
});

function deed(address, body, ids, told) {
  for (const id of ids) if (forest.node(id)) forest.node(id).saving = true;
  for (const id of ids) forest.touch(id);
  redraw();
  saving.add({address: root.dataset[address], body, ids, told});
}

function drawSaving() {
  const sign = part("saving");
  const waiting = saving.queue.length;
  sign.dataset.state = saving.fault ? "failed" : waiting ? "busy" : "saved";
  sign.textContent = saving.fault ? "Not saved" : waiting ? "Saving …" : saving.last ? "All changes are saved" : "";
  const fault = part("fault");
  fault.hidden = !saving.fault;
  if (saving.fault) {
    part("fault-text").textContent = `${some(waiting, "change")} not saved: ${saving.fault.message} ${saving.fault.mayRepeat ? "Nothing is lost: the page keeps what you did until you decide." : "The hub refused it."}`;
    part("repeat").hidden = !saving.fault.mayRepeat;
  }
  const undo = part("undo");
  if (!undo) return;
  undo.disabled = !saving.last || !saving.isIdle;
  undo.title = saving.last ? `Take back: ${saving.last.told} (Ctrl-Z)` : "Nothing to take back";
}
saving.addEventListener("changed", drawSaving);

// --- changing -------------------------------------------------------------------------------------------------------

function chosen() {
  const ids = view.chosen.size ? [...view.chosen] : view.active === null ? [] : [view.active];
  return ids.filter((id) => forest.node(id) && !forest.node(id).group);
}

function move(ids, parent, before) {
  const roots = forest.roots(ids);
  if (!page.mayChange || !roots.length) return;
  if (forest.isWithin(parent, roots)) {
    say("An item cannot stand below itself.");
    return;
  }
  forest.move(roots, parent, before);
  if (parent !== TOP) forest.setOpen(parent, true);
  const told = `Moved ${names(roots)} ${roots.length === 1 ? placeOf(roots[0]) : parent === TOP ? "to the top" : `below ${forest.node(parent).name}`}.`;
  deed("move", {ids: roots, parent_id: parent, before_id: before}, roots, told);
  view.choose(roots);
  view.activate(roots[0]);
  say(told);
}

function change(ids, values, unset, told) {
  if (!page.mayChange || !ids.length) return;
  for (const id of ids) {
    const node = forest.node(id);
    if (values?.name !== undefined) node.name = values.name;
    if (values?.icon !== undefined) Object.assign(node, {icon: values.icon, glyph: undefined});
    if (values?.hidden !== undefined) Object.assign(node, {hidden: values.hidden, off: values.hidden || (node.marks ?? []).length > 0 && node.off});
    if (values?.pinned !== undefined) node.pinned = values.pinned;
  }
  deed("change", {changes: ids.map((id) => ({id, set: values ?? {}, unset: unset ?? []}))}, ids, told);
  say(told);
}

const PAST = {hidden: {true: "Hid", false: "Showed"}, pinned: {true: "Pinned", false: "Unpinned"}};

const deeds = {
  rename(id, name) {
    change([id], {name}, null, `Renamed “${forest.node(id).name}” to “${name}”.`);
  },
  async chooseIcon() {
    const ids = chosen();
    const icon = ids.length && await chooseIcon(root.dataset.icons, names(ids));
    if (icon) change(ids, {icon}, null, `Gave ${names(ids)} the icon ${icon}.`);
  },
  async chooseParent() {
    const ids = forest.roots(chosen());
    const parent = ids.length ? await chooseParent(forest, ids, `Move ${names(ids)}`) : undefined;
    if (parent !== undefined) move(ids, parent, null);
  },
  set(values) {
    const ids = chosen();
    const [[field, value]] = Object.entries(values);
    change(ids, values, null, `${PAST[field][value]} ${names(ids)}.`);
  },
  // Takes back what was changed here: some fields, or all (null).
  reset(fields) {
    const ids = chosen().filter((id) => changesOf(forest.node(id)).some((one) => one.isHere));
    const told = fields ? `Reset ${fields.includes("parent_id") || fields.includes("order_number") ? "the place" : `the ${fields[0] === "hidden" ? "visibility" : fields[0]}`} of ${names(ids)}.` : `Reset ${names(ids)}.`;
    change(ids, null, fields ?? ["name", "icon", "parent_id", "order_number", "hidden", "pinned"], told);
  },
};

// --- the keyboard: Alt and arrows move the item itself ----------------------------------------------------------------

const STEPS = {
  ArrowUp(id, siblings, at) {
    return at > 0 ? [siblings.parent, siblings.ids[at - 1]] : "is the first here already.";
  },
  ArrowDown(id, siblings, at) {
    return at < siblings.ids.length - 1 ? [siblings.parent, siblings.ids[at + 2] ?? null] : "is the last here already.";
  },
  ArrowRight(id, siblings, at) {
    return at > 0 ? [siblings.ids[at - 1], null] : "has nothing before it to stand below.";
  },
  ArrowLeft(id, siblings) {
    if (siblings.parent === TOP) return "stands at the top already.";
    const above = forest.node(siblings.parent);
    const beside = forest.kids(above.parent);
    const next = beside[beside.indexOf(above.id) + 1] ?? null;
    return above.group ? "waits for its parent: move it with the dialog." : [above.parent, next === WAITING ? null : next];
  },
};

function step(key) {
  const id = view.active;
  const node = forest.node(id);
  if (!node || node.group) return;
  const ids = forest.kids(node.parent).filter((one) => one !== WAITING);
  const found = STEPS[key](id, {parent: node.parent, ids}, ids.indexOf(id));
  if (typeof found === "string") say(`${node.name} ${found}`);
  else move([id], ...found);
}

view.tree.addEventListener("keydown", (event) => {
  if (!page.mayChange || event.target.closest("input")) return;
  if (event.altKey && event.key in STEPS && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    step(event.key);
  } else if (event.key === "Delete") {
    event.preventDefault();
    const ids = chosen();
    deeds.set({hidden: !ids.every((id) => forest.node(id).hidden)});
  }
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=checkbox]), textarea, select, dialog");
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z" && !typing) {
    event.preventDefault();
    undo();
  }
});

function undo() {
  if (saving.last && saving.isIdle) saving.undo(root.dataset.change);
  else say("There is nothing to take back.");
}

// --- drawing --------------------------------------------------------------------------------------------------------

const inspector = new Inspector(part("item"), {forest, deeds, page});

function redraw() {
  if (forest.node(WAITING)) forest.node(WAITING).count = forest.kids(WAITING).length;
  view.refresh();
  inspector.show(chosen());
  drawTools();
  sessionStorage.setItem(memory, JSON.stringify([...forest.open].slice(0, 2000)));
}

function drawTools() {
  const ids = chosen();
  const tools = {
    rename: ids.length === 1, icon: ids.length > 0, move: ids.length > 0, hide: ids.some((id) => !forest.node(id).hidden), show: ids.some((id) => forest.node(id).hidden),
    reset: ids.some((id) => changesOf(forest.node(id)).some((one) => one.isHere)),
  };
  for (const [name, may] of Object.entries(tools)) if (part(name)) part(name).disabled = !may;
  if (part("show")) part("show").hidden = !tools.show || tools.hide;
  if (part("hide")) part("hide").hidden = tools.show && !tools.hide;
  part("count").textContent = ids.length > 1 ? `${some(ids.length, "item")} chosen` : "";
}

function load(answer) {
  stamp = answer.stamp;
  forest.load(answer.nodes);
  part("empty").hidden = answer.nodes.length > 0;
  part("work").hidden = answer.nodes.length === 0;
}

async function fetchAll() {
  load(await ask(root.dataset.tree));
  redraw();
}

// --- searching ------------------------------------------------------------------------------------------------------

const KINDS = {
  all: null,
  changed: (node) => changesOf(node).some((change) => change.isHere),
  hidden: (node) => node.off,
  marked: (node) => (node.marks ?? []).length > 0 || changesOf(node).some((change) => change.drift),
};

function search() {
  const text = part("search").value.trim().toLowerCase();
  const kind = KINDS[part("kind").value];
  const matches = (node) => [node.name, node.path, node.url, node.service, node.key].some((one) => one?.toLowerCase().includes(text));
  forest.search(text || kind ? (node) => (!text || matches(node)) && (!kind || kind(node)) : null);
  redraw();
  part("found").textContent = forest.kept ? `${forest.found.size.toLocaleString("en")} of ${some(forest.nodes.size - (forest.node(WAITING) ? 1 : 0), "item")}` : "";
  part("none").hidden = !forest.kept || forest.found.size > 0;
}

let typed;
part("search").addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(search, TYPED_MS);
});
part("search").addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === "ArrowDown") {
    event.preventDefault();
    search();
    const first = view.rows.find((row) => forest.found.has(row.id)) ?? view.rows[0];
    if (first) view.activate(first.id, {choose: true});
  } else if (event.key === "Escape") {
    part("search").value = "";
    search();
  }
});
part("kind").addEventListener("change", search);

// --- the page -------------------------------------------------------------------------------------------------------

view.addEventListener("active", () => {
  inspector.show(chosen());
  drawTools();
});
view.addEventListener("enter", () => part("item").querySelector("input, button, a")?.focus());
view.addEventListener("rename", ({detail}) => {
  if (page.mayChange && !forest.node(detail.id).group) view.rename(detail.id, (name) => deeds.rename(detail.id, name));
});

if (page.mayChange) {
  new Dragging(view, {mayMove: (id) => !forest.node(id).group, drop: move});
  part("undo").addEventListener("click", undo);
  part("rename").addEventListener("click", () => {
    view.scrollTo(chosen()[0]);
    view.emit("rename", {id: chosen()[0]});
  });
  part("icon").addEventListener("click", deeds.chooseIcon);
  part("move").addEventListener("click", deeds.chooseParent);
  part("hide").addEventListener("click", () => deeds.set({hidden: true}));
  part("show").addEventListener("click", () => deeds.set({hidden: false}));
  part("reset").addEventListener("click", () => deeds.reset(null));
}
part("open-all").addEventListener("click", () => {
  for (const id of forest.nodes.keys()) if (forest.kids(id).length) forest.setOpen(id, true);
  redraw();
});
part("close-all").addEventListener("click", () => {
  for (const id of forest.nodes.keys()) if (forest.kids(id).length) forest.setOpen(id, false);
  redraw();
});
part("repeat").addEventListener("click", () => saving.repeat());
part("give-up").addEventListener("click", () => saving.giveUp());
new Preview(part("preview"));
watchScopes();

// Two tabs: the item, and the preview.
const tabs = [...root.querySelectorAll("[role=tab]")];
function open(tab) {
  for (const one of tabs) {
    one.setAttribute("aria-selected", one === tab);
    one.tabIndex = one === tab ? 0 : -1;
    document.getElementById(one.getAttribute("aria-controls")).hidden = one !== tab;
  }
}
for (const tab of tabs) {
  tab.addEventListener("click", () => open(tab));
  tab.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = tabs[(tabs.indexOf(tab) + 1) % tabs.length];
    open(other);
    other.focus();
  });
}

// What others change appears by itself, unless somebody is in the middle of something.
const sign = document.getElementById("live-sign");
async function look() {
  if (!document.hidden && saving.isIdle && view.editing === null && !view.tree.classList.contains("menu-dragging") && !document.querySelector("dialog[open]")) {
    try {
      const answer = await ask(`${root.dataset.tree}&known=${encodeURIComponent(stamp ?? "")}`);
      if (answer.nodes && saving.isIdle && view.editing === null && !view.tree.classList.contains("menu-dragging")) {
        load(answer);
        redraw();
      }
      delete sign.dataset.lost;
      sign.textContent = "Live";
    } catch (error) {
      sign.dataset.lost = "1";
      sign.textContent = `${error.message} What you see is as of before. Trying again.`;
    }
  }
  setTimeout(look, Number(root.dataset.every ?? LOOKS_EVERY_MS));
}

try {
  for (const id of JSON.parse(sessionStorage.getItem(memory) ?? "[]")) forest.open.add(id);
} catch {
  sessionStorage.removeItem(memory);
}
fetchAll().then(() => {
  const asked = Number(new URLSearchParams(location.search).get("item"));
  if (asked && forest.node(asked)) {
    view.reveal(asked);
    view.activate(asked, {choose: true, focus: false});
  } else if (!forest.open.size && forest.nodes.size <= 60) {
    for (const id of forest.nodes.keys()) forest.open.add(id);
    redraw();
  }
  root.dataset.ready = "1";
}).catch((error) => {
  part("tree").replaceChildren(h("p", {class: "menu-none"}, `${error.message} Reload the page to try again.`));
}).finally(() => setTimeout(look, LOOKS_EVERY_MS));
