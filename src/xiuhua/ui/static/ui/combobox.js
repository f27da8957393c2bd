// A select that is searched by typing (ARIA combobox). Without scripts it stays a plain select.
import { icon, make, say } from "./strings.js";

const MOST = 60;
let count = 0;

/** Wires one input and its list box: arrow keys, Enter, Escape. `search(text)` gives rows, `take(row)` is told. */
export function listbox(input, list, { search, take, free }) {
  let rows = [];
  let at = -1;
  let asked = 0;

  const mark = (next) => {
    at = next;
    const items = list.querySelectorAll("[role=option]");
    items.forEach((item, index) => item.setAttribute("aria-selected", String(index === at)));
    if (items[at]) {
      input.setAttribute("aria-activedescendant", items[at].id);
      items[at].scrollIntoView({ block: "nearest" });
    } else {
      input.removeAttribute("aria-activedescendant");
    }
  };
  const close = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    mark(-1);
  };
  const open = async () => {
    const mine = ++asked;
    const found = await search(input.value.trim());
    if (mine !== asked) return;
    rows = found;
    let group = "";
    const items = rows.flatMap((row, index) => {
      const item = make("li", { id: `${list.id}-${index}` });
      item.setAttribute("role", "option");
      const label = make("span", {}, ...(row.icon ? [icon(row.icon)] : []), row.label);
      item.append(label, ...(row.note ? [make("small", { textContent: row.note })] : []));
      item.addEventListener("pointerdown", (event) => event.preventDefault());
      item.addEventListener("click", () => choose(index));
      const heads = [];
      if (row.group && row.group !== group) {
        group = row.group;
        const head = make("li", { textContent: group });
        head.setAttribute("role", "presentation");
        heads.push(head);
      }
      return [...heads, item];
    });
    if (!items.length) {
      const none = make("li", { textContent: say("noMatch") });
      none.setAttribute("role", "presentation");
      items.push(none);
    }
    list.replaceChildren(...items);
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark(rows.length && !free ? 0 : -1);
  };
  const choose = (index) => {
    const row = rows[index];
    close();
    if (row) take(row);
  };

  input.addEventListener("input", open);
  input.addEventListener("click", () => list.hidden && open());
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) return void open();
      const step = event.key === "ArrowDown" ? 1 : -1;
      mark((at + step + rows.length) % Math.max(1, rows.length));
    } else if (event.key === "Enter" && !list.hidden && at >= 0) {
      event.preventDefault();
      choose(at);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });
  return { open, close };
}

export function combobox(select) {
  const number = ++count;
  const list = make("ul", { id: `combo-${number}`, className: "x-options", hidden: true });
  const input = make("input", { type: "text", className: "form-control", autocomplete: "off", id: select.id });
  input.placeholder = select.dataset.placeholder ?? "";
  for (const name of ["aria-describedby", "aria-required", "aria-invalid"]) {
    if (select.hasAttribute(name)) input.setAttribute(name, select.getAttribute(name));
  }
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-expanded", "false");
  input.setAttribute("aria-controls", list.id);
  input.setAttribute("aria-autocomplete", "list");
  list.setAttribute("role", "listbox");
  select.removeAttribute("id");
  select.hidden = true;
  const box = make("div", { className: "x-combo" });
  select.after(box);
  box.append(input, icon("selector"), list);

  const chosen = () => select.selectedOptions[0];
  const shown = () => (chosen()?.value ? chosen().label : "");
  input.value = shown();

  const local = (text) => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const whole = text === shown();
    return [...select.options]
      .filter((option) => option.value)
      .filter((option) => {
        const hay = `${option.label} ${option.dataset.note ?? ""} ${option.dataset.find ?? ""}`.toLowerCase();
        return whole || words.every((word) => hay.includes(word));
      })
      .slice(0, MOST)
      .map((option) => ({
        value: option.value,
        label: option.label,
        note: option.dataset.note,
        group: option.parentElement.label ?? "",
      }));
  };
  const remote = async (text) => {
    const url = new URL(select.dataset.source, location.href);
    url.searchParams.set("q", text === shown() ? "" : text);
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    return response.ok ? (await response.json()).results : [];
  };
  const take = (row) => {
    if (![...select.options].some((option) => option.value === row.value)) {
      select.append(make("option", { value: row.value, textContent: row.label }));
    }
    select.value = row.value;
    input.value = row.label;
    select.dispatchEvent(new Event("change", { bubbles: true }));
  };
  listbox(input, list, { search: select.dataset.source ? remote : local, take });
  input.addEventListener("focus", () => input.select());
  input.addEventListener("blur", () => {
    if (!input.value.trim() && select.value) {
      select.value = "";
      select.dispatchEvent(new Event("change", { bubbles: true }));
    }
    input.value = shown();
  });
  select.addEventListener("change", () => (input.value = shown()));
}
