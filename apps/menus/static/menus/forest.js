// A menu as a tree in memory: what is below what, what is open, what a search leaves, and which rows that makes.

export const TOP = 0;
export const WAITING = -1;

export class Forest {
  constructor() {
    this.nodes = new Map();
    this.children = new Map([[TOP, []]]);
    this.open = new Set();
    this.closed = new Set(); // during a search
    this.filter = null; // (node) => boolean
    this.kept = null; // ids that a search leaves: what it finds, and what stands above
    this.found = new Set();
    this.stamp = 0;
  }

  // Takes a whole tree; `list` has every node after its parent, siblings in their order.
  load(list) {
    this.nodes.clear();
    this.children = new Map([[TOP, []]]);
    for (const node of list) this.put(node);
    for (const node of list) this.kids(node.parent).push(node.id);
    this.addWaiting();
    this.search(this.filter);
  }

  put(node) {
    node.stamp = ++this.stamp;
    this.nodes.set(node.id, node);
    if (!this.children.has(node.id)) this.children.set(node.id, []);
  }

  // Takes what changed: nodes that are new or other, the order below some parents, and ids that are gone.
  merge({nodes = [], order = {}, gone = []}) {
    for (const id of gone) {
      const node = this.nodes.get(id);
      if (!node) continue;
      this.take(id);
      this.nodes.delete(id);
    }
    for (const node of nodes) this.put(node);
    for (const [parent, ids] of Object.entries(order)) this.children.set(Number(parent), [...ids]);
    for (const [parent, ids] of this.children) for (const id of ids) if (this.nodes.get(id)) this.nodes.get(id).parent = parent;
    this.addWaiting();
    this.search(this.filter);
  }

  addWaiting() {
    const some = this.children.get(WAITING)?.length > 0;
    const top = this.kids(TOP).filter((id) => id !== WAITING);
    if (some) {
      top.push(WAITING);
      if (!this.nodes.has(WAITING)) this.nodes.set(WAITING, {id: WAITING, parent: TOP, name: "Not in the tree", icon: "hourglass_empty", glyph: "hourglass_empty", group: true, stamp: 0});
    }
    this.children.set(TOP, top);
  }

  node(id) {
    return this.nodes.get(id);
  }

  kids(id) {
    if (!this.children.has(id)) this.children.set(id, []);
    return this.children.get(id);
  }

  shownKids(id) {
    return this.kept ? this.kids(id).filter((child) => this.kept.has(child)) : this.kids(id);
  }

  above(id) {
    const found = [];
    const met = new Set([id]);
    for (let node = this.node(id); node && node.parent !== TOP && !met.has(node.parent); node = this.node(node.parent)) {
      met.add(node.parent);
      found.push(node.parent);
    }
    return found;
  }

  // The names from the top down to an item, without its own.
  trail(id) {
    return this.above(id).reverse().map((above) => this.node(above)?.name ?? "");
  }

  isWithin(id, others) {
    return others.includes(id) || this.above(id).some((above) => others.includes(above));
  }

  // Those of `ids` that do not move along with another of them, in the order of the tree.
  roots(ids) {
    const wanted = new Set(ids);
    const found = [];
    const walk = (parent) => {
      for (const id of this.kids(parent)) {
        if (wanted.has(id)) found.push(id);
        else walk(id);
      }
    };
    walk(TOP);
    return found;
  }

  take(id) {
    const siblings = this.kids(this.node(id).parent);
    const at = siblings.indexOf(id);
    if (at >= 0) siblings.splice(at, 1);
  }

  // Moves items below `parent`, in front of `before` (null: at the end).
  move(ids, parent, before) {
    for (const id of ids) this.take(id);
    const siblings = this.kids(parent);
    const at = before === null ? -1 : siblings.indexOf(before);
    siblings.splice(at < 0 ? siblings.length : at, 0, ...ids);
    for (const id of ids) {
      const node = this.node(id);
      node.parent = parent;
      node.stamp = ++this.stamp;
    }
    this.addWaiting();
    this.search(this.filter);
  }

  touch(id) {
    const node = this.node(id);
    if (node) node.stamp = ++this.stamp;
  }

  // Keeps what `filter` finds and what stands above it; null keeps everything.
  search(filter) {
    if (filter !== this.filter) this.closed.clear();
    this.filter = filter;
    this.found = new Set();
    this.kept = filter ? new Set() : null;
    if (!filter) return;
    for (const node of this.nodes.values()) {
      if (node.group || !filter(node)) continue;
      this.found.add(node.id);
      this.kept.add(node.id);
      for (const above of this.above(node.id)) this.kept.add(above);
    }
  }

  setOpen(id, open) {
    if (this.kept) this.closed[open ? "delete" : "add"](id);
    else this.open[open ? "add" : "delete"](id);
  }

  isOpen(id) {
    // A search opens the ways to what it finds.
    return this.kept ? !this.closed.has(id) : this.open.has(id);
  }

  // The rows that are open now, top down.
  rows() {
    const rows = [];
    const walk = (parent, level) => {
      const ids = this.shownKids(parent);
      ids.forEach((id, index) => {
        const inner = this.shownKids(id).length > 0;
        const open = inner && this.isOpen(id);
        rows.push({id, level, place: index + 1, size: ids.length, inner, open});
        if (open) walk(id, level + 1);
      });
    };
    walk(TOP, 1);
    return rows;
  }
}
