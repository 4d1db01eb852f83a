// The dependency graph: drag, zoom, and the neighbours of what is under the pointer or has the focus.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const canvas = document.getElementById("canvas");
  if (!canvas) return;
  const svg = canvas.querySelector("svg");
  const whole = {width: Number(canvas.dataset.width), height: Number(canvas.dataset.height)};
  const READABLE = 0.75;
  const view = {x: 0, y: 0, scale: 1};

  function show() {
    svg.setAttribute("viewBox", `${view.x} ${view.y} ${canvas.clientWidth / view.scale} ${canvas.clientHeight / view.scale}`);
  }

  function fitting() {
    return Math.min(canvas.clientWidth / whole.width, canvas.clientHeight / whole.height, 1.2);
  }

  function fit(least) {
    view.scale = Math.max(fitting(), least);
    view.x = Math.min(0, (whole.width - canvas.clientWidth / view.scale) / 2);
    view.y = Math.min(0, (whole.height - canvas.clientHeight / view.scale) / 2);
    show();
  }

  // Zoom by a factor and keep the point of the canvas where it is.
  function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
    const scale = Math.min(Math.max(view.scale * factor, fitting() / 2), 4);
    view.x += x / view.scale - x / scale;
    view.y += y / view.scale - y / scale;
    view.scale = scale;
    show();
  }

  canvas.querySelectorAll("[data-zoom]").forEach((button) => button.addEventListener("click", () => {
    if (button.dataset.zoom === "fit") fit(0);
    else zoom(button.dataset.zoom === "in" ? 1.3 : 1 / 1.3);
  }));

  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
  }, {passive: false});

  // --- dragging: one pointer moves, two zoom -------------------------------------------------------------------------

  const pointers = new Map();
  let dragged = false;

  function spread() {
    const [a, b] = [...pointers.values()];
    return Math.hypot(a.x - b.x, a.y - b.y);
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || event.target.closest(".hub-zoom")) return;
    pointers.set(event.pointerId, {x: event.clientX, y: event.clientY});
    dragged = false;
  });

  window.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const move = {x: event.clientX - before.x, y: event.clientY - before.y};
    if (!dragged && Math.hypot(move.x, move.y) < 4) return;
    dragged = true;
    canvas.dataset.dragging = "1";
    const apart = pointers.size === 2 ? spread() : 0;
    pointers.set(event.pointerId, {x: event.clientX, y: event.clientY});
    if (apart) zoom(spread() / apart);
    view.x -= move.x / view.scale / pointers.size;
    view.y -= move.y / view.scale / pointers.size;
    show();
  });

  for (const end of ["pointerup", "pointercancel"]) {
    window.addEventListener(end, (event) => {
      pointers.delete(event.pointerId);
      delete canvas.dataset.dragging;
    });
  }

  // A drag that ends on a service is no click on it.
  canvas.addEventListener("click", (event) => {
    if (dragged) event.preventDefault();
    dragged = false;
  }, true);
  canvas.addEventListener("dragstart", (event) => event.preventDefault());

  // --- neighbours ---------------------------------------------------------------------------------------------------

  const nodes = new Map([...svg.querySelectorAll(".hub-node")].map((node) => [node.dataset.name, node]));
  const lines = [...svg.querySelectorAll(".hub-line")];

  function light(name) {
    svg.classList.toggle("hub-lit", Boolean(name));
    svg.querySelectorAll("[data-lit]").forEach((element) => delete element.dataset.lit);
    if (!name) return;
    nodes.get(name).dataset.lit = "1";
    for (const line of lines) {
      if (line.dataset.source !== name && line.dataset.target !== name) continue;
      line.dataset.lit = "1";
      nodes.get(line.dataset.source).dataset.lit = "1";
      nodes.get(line.dataset.target).dataset.lit = "1";
    }
  }

  function focused() {
    return document.activeElement?.closest?.(".hub-node")?.dataset.name;
  }

  // What gets the focus is brought into the picture.
  function reveal(node) {
    const box = node.querySelector("rect");
    const [x, y] = [box.x.baseVal.value, box.y.baseVal.value];
    const [width, height] = [canvas.clientWidth / view.scale, canvas.clientHeight / view.scale];
    if (x < view.x || x + 200 > view.x + width) view.x = x + 100 - width / 2;
    if (y < view.y || y + 40 > view.y + height) view.y = y + 20 - height / 2;
    show();
  }

  for (const [name, node] of nodes) {
    node.addEventListener("pointerenter", () => light(name));
    node.addEventListener("pointerleave", () => light(focused()));
    node.addEventListener("focus", () => {
      if (node.matches(":focus-visible")) reveal(node);
      light(name);
    });
    node.addEventListener("blur", () => light(null));
  }

  fit(READABLE);
  window.addEventListener("resize", show);
});
