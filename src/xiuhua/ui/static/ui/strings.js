// Words in the language of the page, handed over by ui/parts/strings.html.
const element = document.getElementById("ui-strings");
const words = element ? JSON.parse(element.textContent) : {};

/** The word of that name with `{placeholders}` filled; the name itself when it is missing. */
export function say(name, values = {}) {
  return (words[name] ?? name).replace(/\{(\w+)\}/g, (whole, key) => (key in values ? String(values[key]) : whole));
}

/** An icon of the sprite. */
export function icon(name, small = true) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", small ? "x-icon x-icon-sm" : "x-icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${document.body.dataset.icons}#tabler-${name}`);
  svg.append(use);
  return svg;
}

/** An element with properties and children. */
export function make(tag, properties = {}, ...children) {
  const { dataset, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  Object.assign(made.dataset, dataset ?? {});
  made.append(...children);
  return made;
}

/** A short message at the edge of the window; it stays long enough to be read. */
export function toast(text, action) {
  const box = document.getElementById("toasts");
  if (!box) return;
  const close = make("button", { type: "button", textContent: say("close") });
  const shown = make("div", { className: "x-toast" }, make("span", { textContent: text }), action ?? close);
  close.addEventListener("click", () => shown.remove());
  box.append(shown);
  setTimeout(() => shown.remove(), 9000);
}

/** The CSRF token of the page. */
export function csrf() {
  const headers = document.body.getAttribute("hx-headers");
  return headers ? JSON.parse(headers)["X-CSRFToken"] : "";
}
