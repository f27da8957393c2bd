// The desk: a case opens beside the list where there is room; choosing many; keys X and those of keys.js.
const WIDE = matchMedia("(min-width: 1200px)");
const plain = (event) => event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;

export function desk(root) {
  const pane = root.querySelector("#pane");
  const narrow = root.querySelector(".w-lists > details");
  if (!WIDE.matches) narrow?.removeAttribute("open");

  let asked = 0;
  const mark = (number) => {
    for (const row of root.querySelectorAll("tr[data-case]")) row.classList.toggle("is-at", row.dataset.case === number);
    const here = new URL(location.href);
    if (number) here.searchParams.set("at", number);
    else here.searchParams.delete("at");
    history.replaceState(null, "", here);
  };

  const open = async (href) => {
    const url = new URL(href, location.href);
    const number = url.pathname.split("/").filter(Boolean).at(-1);
    url.searchParams.set("pane", "1");
    pane.setAttribute("aria-busy", "true");
    const mine = (asked += 1);
    await window.htmx.ajax("GET", url.pathname + url.search, { target: pane });
    if (mine !== asked) return; // another was opened meanwhile
    pane.removeAttribute("aria-busy");
    pane.hidden = false;
    pane.scrollTop = 0;
    root.classList.add("has-pane");
    mark(number);
  };

  const close = () => {
    asked += 1;
    const row = root.querySelector("tr.is-at a[href]");
    pane.hidden = true;
    pane.replaceChildren();
    root.classList.remove("has-pane");
    mark("");
    row?.focus();
  };

  root.addEventListener("click", (event) => {
    if (event.target.closest("[data-pane-close]")) return close();
    if (!WIDE.matches || !plain(event) || event.target.closest("input, label, button")) return undefined;
    const link = event.target.closest("[data-pane-link], tr[data-case] a[href]");
    const row = event.target.closest("tr[data-case]");
    const href = link?.getAttribute("href") ?? row?.querySelector("a[href]")?.getAttribute("href");
    if (!href) return undefined;
    event.preventDefault();
    event.stopPropagation();
    return open(href);
  });

  // Walking with j and k turns the pages of an open pane.
  document.addEventListener("keydown", (event) => {
    if (event.target.closest?.("input:not([type=checkbox]), textarea, select") || event.ctrlKey || event.metaKey) return;
    const here = root.querySelector("tr.is-here");
    if (event.key === "X" && here) {
      const box = here.querySelector("input[type=checkbox]");
      if (box) box.click();
    } else if ((event.key === "j" || event.key === "k") && here && !pane.hidden) {
      open(here.querySelector("a[href]").getAttribute("href"));
    }
  });

  const boxes = () => [...root.querySelectorAll("input[name='bulk.case']")];
  const all = root.querySelector("[data-choose-all]");
  const told = root.querySelector("[data-chosen]");
  const count = () => {
    const chosen = boxes().filter((box) => box.checked).length;
    if (told) told.textContent = chosen ? String(chosen) : "";
    root.querySelector("#bulk")?.classList.toggle("has-chosen", chosen > 0);
  };
  if (all) {
    all.hidden = false;
    all.addEventListener("click", () => {
      const on = boxes().some((box) => !box.checked);
      for (const box of boxes()) box.checked = on;
      count();
    });
  }
  root.addEventListener("change", count);
  if (root.dataset.at && WIDE.matches) {
    const link = root.querySelector(`tr[data-case="${CSS.escape(root.dataset.at)}"] a[href]`);
    if (link) open(link.getAttribute("href"));
  }
}
