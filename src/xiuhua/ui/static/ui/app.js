// The behaviour of every page. Each part is wired once, also in fragments that htmx brings.
import { say, toast } from "./strings.js";
import { keys } from "./keys.js";
import { combobox } from "./combobox.js";
import { desk } from "./desk.js";
import { filtered, form } from "./form.js";
import { upload } from "./upload.js";
import { position } from "./position.js";
import { nearby } from "./nearby.js";
import { pair, viewer } from "./photos.js";
import { search } from "./search.js";
import { sound } from "./arrival.js";
import { listen } from "./live.js";

const PARTS = {
  "select[data-combobox]": combobox,
  "form[data-form]": form,
  "[data-desk]": desk,
  "[data-filtered]": filtered,
  "[data-upload]": upload,
  "[data-position]": position,
  "[data-nearby]": nearby,
  "[data-pair]": pair,
  "[data-search]": search,
  "[data-sound]": sound,
  "[data-map]": map,
};
const wired = new WeakSet();

function wire(root) {
  for (const [selector, part] of Object.entries(PARTS)) {
    for (const element of [...(root.matches?.(selector) ? [root] : []), ...root.querySelectorAll(selector)]) {
      if (wired.has(element)) continue;
      wired.add(element);
      part(element);
    }
  }
  root.querySelector("[data-focus]")?.focus();
}

// A map is heavy: its module comes when the map comes into view.
function map(element) {
  const seen = new IntersectionObserver(async (entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    seen.disconnect();
    const { draw } = await import(document.body.dataset.mapModule);
    draw(element);
  });
  seen.observe(element);
}

function theme() {
  const root = document.documentElement;
  const label = (button) => {
    const text = root.dataset.bsTheme === "dark" ? button.dataset.toLight : button.dataset.toDark;
    button.setAttribute("aria-label", text);
    button.title = text;
  };
  for (const button of document.querySelectorAll("[data-theme-switch]")) {
    label(button);
    button.addEventListener("click", () => {
      const next = root.dataset.bsTheme === "dark" ? "light" : "dark";
      root.dataset.themeChoice = next;
      root.dataset.bsTheme = next;
      const secure = location.protocol === "https:" ? "; secure" : "";
      document.cookie = `xiuhua_theme=${next}; path=/; max-age=31536000; samesite=lax${secure}`;
      label(button);
    });
  }
}

function drawers() {
  const set = (drawer, open) => {
    drawer.classList.toggle("is-open", open);
    for (const button of document.querySelectorAll(`[data-drawer="${drawer.id}"]`)) {
      button.setAttribute("aria-expanded", String(open));
    }
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-drawer]");
    for (const open of document.querySelectorAll(".is-open[id]")) {
      if (!open.contains(event.target) && button?.dataset.drawer !== open.id) set(open, false);
    }
    if (button) {
      const drawer = document.getElementById(button.dataset.drawer);
      set(drawer, !drawer.classList.contains("is-open"));
      if (drawer.classList.contains("is-open")) drawer.querySelector("a")?.focus();
    }
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const open of document.querySelectorAll(".x-side.is-open")) set(open, false);
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
}

function requests() {
  const bar = document.getElementById("loading");
  let running = 0;
  const count = (step) => {
    running = Math.max(0, running + step);
    bar?.classList.toggle("is-on", running > 0);
  };
  document.addEventListener("htmx:beforeRequest", () => count(1));
  document.addEventListener("htmx:afterRequest", () => count(-1));
  document.addEventListener("htmx:sendError", () => toast(say("offline")));
  document.addEventListener("htmx:responseError", (event) => {
    const { status } = event.detail.xhr;
    if (status !== 401) toast(say("failed", { status }));
  });
  document.addEventListener("htmx:load", (event) => wire(event.detail.elt));
}

// A row of a table opens where its first link leads, except on a link, a field or selected text.
function rows() {
  document.addEventListener("click", (event) => {
    const row = event.target.closest("[data-row]");
    if (!row || event.target.closest("a, button, input, label, select, summary")) return;
    if (String(getSelection())) return;
    row.querySelector("a[href]")?.click();
  });
}

theme();
drawers();
requests();
rows();
keys();
viewer();
wire(document);
listen();
