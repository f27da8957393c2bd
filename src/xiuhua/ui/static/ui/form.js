// Forms: standard phrases, growing text, conditional questions, drafts, a list that is narrowed by typing.
import { make, say } from "./strings.js";

const PRIVATE = new Set(["csrfmiddlewaretoken", "key", "seq"]);

/** Narrow a long list of checkboxes. */
export function filtered(box) {
  const field = box.querySelector("[data-filter]");
  field.addEventListener("input", () => {
    const text = field.value.trim().toLowerCase();
    for (const item of box.querySelectorAll("[data-find]")) {
      item.hidden = !`${item.textContent} ${item.dataset.find}`.toLowerCase().includes(text);
    }
  });
}

function grow(area) {
  const fit = () => {
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight + 2}px`;
  };
  area.addEventListener("input", fit);
  if (area.value) fit();
}

// "field=value" or "field=a|b": asked, or marked as required, only while the other question has that answer.
function conditions(form) {
  const asked = [...form.querySelectorAll("[data-show-if], [data-need-if]")];
  if (!asked.length) return;
  const check = () => {
    const data = new FormData(form);
    for (const element of asked) {
      const [name, wanted = ""] = (element.dataset.showIf ?? element.dataset.needIf).split("=");
      element.hidden = !data.getAll(name).some((value) => wanted.split("|").includes(String(value)));
    }
  };
  form.addEventListener("change", check);
  check();
}

// What was typed is kept in this tab until it is sent; personal data, files and hidden values never are.
function drafts(form) {
  const name = form.dataset.draft;
  if (!name) return;
  const key = `draft:${location.pathname}:${name}`;
  const kept = () =>
    [...form.elements].filter(
      (one) => one.name && !PRIVATE.has(one.name) && !("personal" in one.dataset) && !["hidden", "file", "password"].includes(one.type),
    );
  const save = () => {
    const values = kept().map((one) => [one.name, one.value, one.type === "checkbox" || one.type === "radio" ? one.checked : null]);
    sessionStorage.setItem(key, JSON.stringify({ at: Date.now(), values }));
  };
  // A form that came back with errors already holds what was typed.
  const stored = form.querySelector("[aria-invalid=true]") ? null : sessionStorage.getItem(key);
  if (stored) {
    const fields = kept();
    for (const [field, value, checked] of JSON.parse(stored).values) {
      const found = fields.find((one) => one.name === field && (checked === null || one.value === value));
      if (!found) continue;
      if (checked === null) found.value = value;
      else found.checked = checked;
      if (found.matches("select")) found.dispatchEvent(new Event("change", { bubbles: true }));
    }
  }
  if (stored) notice(form, key, JSON.parse(stored).at);
  form.addEventListener("input", save);
  form.addEventListener("change", save);
  form.addEventListener("submit", () => sessionStorage.removeItem(key));
}

function notice(form, key, at) {
  const time = new Date(at).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
  const discard = make("button", { type: "button", textContent: say("draftDiscard") });
  discard.addEventListener("click", () => {
    sessionStorage.removeItem(key);
    location.reload();
  });
  form.prepend(make("p", { className: "x-draft" }, say("draft", { time }), discard));
}

export function form(element) {
  element.querySelectorAll("[data-grow]").forEach(grow);
  element.addEventListener("click", (event) => {
    const phrase = event.target.closest("[data-phrase]");
    if (!phrase) return;
    const area = document.getElementById(phrase.dataset.phrase);
    area.value = area.value ? `${area.value.trimEnd()}\n${phrase.textContent}` : phrase.textContent;
    area.dispatchEvent(new Event("input", { bubbles: true }));
    area.focus();
  });
  conditions(element);
  drafts(element);
  // A double click must not send twice; the idempotency key would catch it, this spares the refusal.
  element.addEventListener("submit", () => {
    if (element.hasAttribute("hx-post")) return;
    setTimeout(() => element.querySelectorAll("button[type=submit]").forEach((button) => (button.disabled = true)));
  });
  addEventListener("pageshow", () => element.querySelectorAll("button[type=submit]").forEach((button) => (button.disabled = false)));
}
