// Small pieces of pages, and requests of the console. No framework, no outside host.

// Makes an element: h("button", {class: "a", onclick: f, "aria-label": "B"}, "text", child).
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function symbol(name, attributes = {}) {
  return h("span", {...attributes, class: `material-symbols-outlined ${attributes.class ?? ""}`, "aria-hidden": "true"}, name);
}

export function button(text, onclick, {icon, kind = "", ...attributes} = {}) {
  const classes = `hub-button ${kind && `hub-button-${kind}`}`.trim();
  return h("button", {type: "button", class: classes, onclick, ...attributes}, icon && symbol(icon), text);
}

export function link(address, text) {
  return h("a", {class: "hub-link hub-name", href: address}, text);
}

export function some(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

// What went wrong with a request, in words for people; `mayRepeat` is false when the hub understood and said no.
export class Refused extends Error {
  constructor(message, {mayRepeat = true} = {}) {
    super(message);
    this.mayRepeat = mayRepeat;
  }
}

// Asks the hub; a body makes it a POST. Throws a Refused.
export async function ask(address, body) {
  const options = {headers: {Accept: "application/json"}, redirect: "manual", signal: AbortSignal.timeout(30000)};
  if (body !== undefined) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    options.headers["X-CSRFToken"] = document.querySelector("[name=csrfmiddlewaretoken]").value;
    options.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    throw new Refused("The hub cannot be reached.");
  }
  if (answer.type === "opaqueredirect") throw new Refused("Your session is over: log in again in another tab, then try again.");
  const told = await answer.json().catch(() => null);
  if (answer.ok && told) return told;
  const faults = told?.errors?.map((fault) => fault.message) ?? [];
  const sentence = faults.length ? faults.join(" ") : told?.detail ?? `The hub answered ${answer.status}.`;
  const request = answer.status >= 500 && answer.headers.get("X-Request-ID");
  throw new Refused(request ? `${sentence} (request ${request})` : sentence, {mayRepeat: answer.status >= 500 || answer.status === 429});
}
