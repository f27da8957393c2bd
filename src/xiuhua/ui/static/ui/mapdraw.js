// Measuring a line or an area, and choosing cases by an area. Click or tap adds a corner; by keyboard Enter takes the
// centre of the map, Backspace takes the last corner back, Escape gives up, and the button (or a double click) ends.
import { area, length } from "./geodesy.js";
import { make, say } from "./strings.js";

const EMPTY = { type: "FeatureCollection", features: [] };
const MOST = 100;

const metres = (value) =>
  value < 10000 ? `${Math.round(value).toLocaleString("en")} m` : `${(value / 1000).toLocaleString("en", { maximumFractionDigits: 2 })} km`;
const squares = (value) =>
  value < 1e6 ? `${Math.round(value).toLocaleString("en")} m²` : `${(value / 1e6).toLocaleString("en", { maximumFractionDigits: 2 })} km²`;

const feature = (type, coordinates) => ({ type: "Feature", properties: {}, geometry: { type, coordinates } });

/** `config.select`: an address with {area} that shows the cases of an area; without it one only measures. */
export function tools(map, element, config) {
  map.addSource("drawn", { type: "geojson", data: EMPTY });
  element.dispatchEvent(new CustomEvent("map:dress"));
  const said = make("output", { className: "x-draw-said" });
  said.setAttribute("aria-live", "polite");
  const kinds = [["line", "measureLine"], ["polygon", "measureArea"], ...(config.select ? [["select", "selectArea"]] : [])];
  const buttons = new Map(kinds.map(([kind, word]) => [kind, make("button", { type: "button", className: "btn", textContent: say(word) })]));
  const finish = make("button", { type: "button", className: "btn btn-primary", textContent: say("drawDone"), hidden: true });
  const stop = make("button", { type: "button", className: "btn", textContent: say("drawStop"), hidden: true });
  const bar = make("div", { className: "x-draw" }, ...buttons.values(), finish, stop, said);
  bar.setAttribute("role", "toolbar");
  bar.setAttribute("aria-label", say("drawTools"));
  (element.closest(".x-map") ?? element).prepend(bar);
  const cross = make("div", { className: "x-cross", hidden: true });
  element.append(cross);

  let kind = "";
  let points = [];

  const show = () => {
    const features = points.map((at) => feature("Point", at));
    if (points.length > 1) features.push(feature("LineString", kind === "line" || points.length < 3 ? points : [...points, points[0]]));
    if (kind !== "line" && points.length > 2) features.push(feature("Polygon", [[...points, points[0]]]));
    map.getSource("drawn").setData({ type: "FeatureCollection", features });
    const enough = points.length >= (kind === "line" ? 2 : 3);
    finish.disabled = !enough;
    if (!points.length) said.textContent = say("drawHow");
    else if (kind === "line") said.textContent = enough ? metres(length(points)) : say("drawNext");
    else said.textContent = enough ? `${squares(area(points))} · ${metres(length([...points, points[0]]))}` : say("drawNext");
  };
  const set = (next) => {
    kind = next;
    points = [];
    element.dataset.drawing = next;
    if (!next) delete element.dataset.drawing;
    for (const [name, button] of buttons) button.setAttribute("aria-pressed", String(name === next));
    finish.hidden = stop.hidden = cross.hidden = !next;
    finish.textContent = say(next === "select" ? "drawSelect" : "drawDone");
    map.getCanvas().classList.toggle("is-picking", Boolean(next));
    map.doubleClickZoom[next ? "disable" : "enable"]();
    if (next) {
      show();
      map.getCanvas().focus();
    } else {
      map.getSource("drawn").setData(EMPTY);
      said.textContent = "";
    }
  };
  const add = ({ lng, lat }) => {
    const last = points.at(-1);
    if (points.length >= MOST || (last && last[0] === lng && last[1] === lat)) return;
    points.push([lng, lat]);
    show();
  };
  const end = () => {
    if (finish.disabled) return;
    const done = { kind, points, metres: length(points), squareMetres: kind === "line" ? 0 : area(points) };
    element.dispatchEvent(new CustomEvent("map:drawn", { bubbles: true, detail: done }));
    if (kind === "select") {
      const text = points.map(([lon, lat]) => `${lon.toFixed(6)},${lat.toFixed(6)}`).join(";");
      location.assign(config.select.replace("AREA", encodeURIComponent(text)));
      return;
    }
    // The figure and the drawing stay until the next one.
    const figure = said.textContent;
    kind = "";
    delete element.dataset.drawing;
    for (const button of buttons.values()) button.setAttribute("aria-pressed", "false");
    finish.hidden = cross.hidden = true;
    map.getCanvas().classList.remove("is-picking");
    map.doubleClickZoom.enable();
    said.textContent = figure;
  };

  for (const [name, button] of buttons) {
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => set(kind === name ? "" : name));
  }
  finish.addEventListener("click", end);
  stop.addEventListener("click", () => set(""));
  map.on("click", (event) => kind && add(event.lngLat));
  map.on("dblclick", () => kind && end());
  map.getCanvas().addEventListener("keydown", (event) => {
    if (!kind) return;
    if (event.key === "Enter" && event.ctrlKey) end();
    else if (event.key === "Enter") add(map.getCenter());
    else if (event.key === "Backspace") (points.pop(), show());
    else if (event.key === "Escape") set("");
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}
