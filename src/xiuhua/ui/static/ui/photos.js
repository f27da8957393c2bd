// The photo viewer (all photos of a page, single or before and after side by side) and the comparing slider.
import { make, say } from "./strings.js";

/** Before over after, the border moved by a range input. */
export function pair(box) {
  const range = box.querySelector("input[type=range]");
  const frame = box.querySelector(".x-pair-box");
  const move = () => frame.style.setProperty("--at", `${range.value}%`);
  range.addEventListener("input", move);
  const drag = (event) => {
    const { left, width } = frame.getBoundingClientRect();
    range.value = Math.round(((event.clientX - left) / width) * 100);
    move();
  };
  frame.addEventListener("pointerdown", (event) => {
    frame.setPointerCapture(event.pointerId);
    drag(event);
  });
  frame.addEventListener("pointermove", (event) => frame.hasPointerCapture(event.pointerId) && drag(event));
  move();
}

export function viewer() {
  const dialog = document.getElementById("viewer");
  if (!dialog) return;
  const stage = dialog.querySelector("[data-viewer-stage]");
  const both = dialog.querySelector("[data-viewer-pair]");
  let all = [];
  let at = 0;
  let double = false;

  const figure = (link, named) =>
    make(
      "figure",
      {},
      make("img", { src: link.href, alt: link.querySelector("img").alt }),
      ...(named ? [make("figcaption", { textContent: link.dataset.stage })] : []),
    );
  const show = () => {
    // Side by side: the photo at hand with the last one of another stage.
    const other = double ? all.findLast((link) => link.dataset.stage !== all[at].dataset.stage) : null;
    const shown = other ? (all.indexOf(other) < at ? [other, all[at]] : [all[at], other]) : [all[at]];
    stage.replaceChildren(...shown.map((link) => figure(link, Boolean(other))));
    dialog.querySelector("[data-viewer-count]").textContent = say("photoOf", { n: at + 1, m: all.length });
    dialog.querySelector("[data-viewer-caption]").textContent = other
      ? ""
      : `${all[at].dataset.stage ?? ""} ${all[at].dataset.caption ?? ""}`.trim();
    both.setAttribute("aria-pressed", String(double));
    both.hidden = new Set(all.map((link) => link.dataset.stage)).size < 2;
  };
  const step = (by) => {
    at = (at + by + all.length) % all.length;
    show();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-photo]");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    all = [...link.closest("[data-photos]").querySelectorAll("a[data-photo]")];
    at = all.indexOf(link);
    double = false;
    show();
    dialog.showModal();
  });
  both.addEventListener("click", () => {
    double = !double;
    show();
  });
  for (const button of dialog.querySelectorAll("[data-viewer-step]")) {
    button.addEventListener("click", () => step(Number(button.dataset.viewerStep)));
  }
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
}
