// Keys: every element with data-key is pressed by it; `?` lists them; j and k walk the rows.
import { make } from "./strings.js";

const typing = (target) =>
  target.closest?.("input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select, [contenteditable], [role=application]");

const visible = (element) => element.checkVisibility?.() ?? element.offsetParent !== null;

/** The first visible element whose data-key is this key ("d", "Ctrl+Enter", "Escape"); what is open beside a list goes first. */
function find(key) {
  const dialog = document.querySelector("dialog[open]");
  const scopes = dialog ? [dialog] : [document.querySelector("[data-desk] #pane:not([hidden])"), document];
  const all = scopes.flatMap((scope) => (scope ? [...scope.querySelectorAll("[data-key]")] : []));
  return all.find((one) => one.dataset.key === key && visible(one));
}

function list(dialog) {
  const box = dialog.querySelector("[data-keys-list]");
  const lines = [];
  for (const one of document.querySelectorAll("[data-key]")) {
    if (visible(one)) {
      const label = one.querySelector("span") ?? one;
      const words = [...label.childNodes].filter((node) => node.nodeName !== "KBD").map((node) => node.textContent);
      lines.push([one.dataset.key, one.getAttribute("aria-label") ?? words.join("").trim()]);
    }
  }
  lines.push(...JSON.parse(box.dataset.general));
  box.replaceChildren(
    ...lines.flatMap(([key, text]) => [
      make("dt", {}, make("kbd", { textContent: key })),
      make("dd", { textContent: text }),
    ]),
  );
}

function show() {
  const dialog = document.getElementById("keys");
  list(dialog);
  dialog.showModal();
}

function step(by) {
  const all = [...document.querySelectorAll("[data-row]")].filter(visible);
  if (!all.length) return;
  const here = all.findIndex((row) => row.classList.contains("is-here"));
  const next = all[Math.min(all.length - 1, Math.max(0, here < 0 ? 0 : here + by))];
  all[here]?.classList.remove("is-here");
  next.classList.add("is-here");
  (next.querySelector("a[href]") ?? next).focus();
}

export function keys() {
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-keys]")) show();
  });
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.altKey || event.repeat) return;
    const control = event.ctrlKey || event.metaKey;
    if (control && event.key.toLowerCase() === "k") {
      const field = document.getElementById("search");
      if (field) {
        event.preventDefault();
        field.focus();
        field.select();
      }
      return;
    }
    const pressed = control ? `Ctrl+${event.key}` : event.key;
    if (!control && event.key !== "Escape" && typing(event.target)) return;
    if (document.querySelector("dialog[open]") && event.key === "Escape") return;
    const target = find(pressed);
    if (target) {
      event.preventDefault();
      target.click();
    } else if (pressed === "?") {
      event.preventDefault();
      show();
    } else if (pressed === "j" || pressed === "k") {
      step(pressed === "j" ? 1 : -1);
    }
  });
}
