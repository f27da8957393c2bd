// Components near the chosen point, as a list of buttons beside the position: the same with and without the map.
// Choosing one fills the form's component question; a component that was hit on the map is chosen at once.
import { make, say } from "./strings.js";

/** The component question of the form: a select, found by its look-up. */
function question(box) {
  return box.closest("form")?.querySelector("select[data-source*='/lookup/component/']");
}

export function nearby(box) {
  const position = box.closest("[data-position]");
  const field = question(box);
  if (!position || !field) return;
  let asked = 0;

  const mark = () => {
    for (const button of box.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.value === field.value));
  };
  const take = (code) => {
    if (![...field.options].some((option) => option.value === code)) field.append(make("option", { value: code, textContent: code }));
    field.value = code;
    field.dispatchEvent(new Event("change", { bubbles: true }));
    position.querySelector("[data-said]").textContent = say("componentTaken", { code });
  };
  const show = (rows) => {
    const items = rows.map((row) => {
      const button = make("button", { type: "button", value: row.value }, `${row.label} `, make("small", { textContent: `${row.far} · ${row.note}` }));
      button.addEventListener("click", () => take(row.value));
      return make("li", {}, button);
    });
    const words = rows.length ? "nearComponents" : "noComponents";
    box.replaceChildren(make("span", { className: "x-note", textContent: say(words) }), make("ul", {}, ...items));
    mark();
  };
  position.addEventListener("position", async ({ detail: { lon, lat, datum } }) => {
    const mine = ++asked;
    const url = new URL(box.dataset.nearby, location.href);
    url.search = new URLSearchParams({ lon, lat, datum });
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    if (mine === asked && response.ok) show((await response.json()).results);
  });
  position.addEventListener("component", ({ detail: { code } }) => take(code));
  field.addEventListener("change", mark);
}
