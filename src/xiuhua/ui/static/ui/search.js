// The search box: Enter searches everywhere; pages of the navigation are offered while typing.
import { listbox } from "./combobox.js";
import { say } from "./strings.js";

export function search(form) {
  const input = form.querySelector("input");
  const list = form.querySelector("[role=listbox]");
  const pages = [...document.querySelectorAll("[data-nav]")].map((link) => ({
    label: link.textContent.trim(),
    url: link.href,
    icon: "arrow-right",
    group: say("goTo"),
  }));
  listbox(input, list, {
    free: true,
    search: (text) => {
      const found = pages.filter((page) => page.label.toLowerCase().includes(text.toLowerCase())).slice(0, 8);
      return text ? [{ label: say("searchFor", { text }), icon: "search", all: true }, ...found] : found;
    },
    take: (row) => (row.all ? form.requestSubmit() : location.assign(row.url)),
  });
}
