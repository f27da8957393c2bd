// Cases on a map: a card under the mouse, a list where several stand on one spot, clusters that open.
import { make, say } from "./strings.js";

const MOST = 12;

const line = ({ number, note }) =>
  make("span", { className: "x-popup-note", textContent: [number, note].filter(Boolean).join(" · ") });

function card({ properties }) {
  return make("div", {}, make("span", { className: "x-popup-title", textContent: properties.title ?? "" }), line(properties));
}

function list(features, open) {
  const items = features.slice(0, MOST).map((feature) => {
    const link = make("a", { href: feature.properties.url ?? "#", textContent: feature.properties.title ?? "" });
    link.addEventListener("click", (event) => open(feature) || event.preventDefault());
    return make("li", {}, link, make("br"), line(feature.properties));
  });
  const rest = features.length - MOST;
  if (rest > 0) items.push(make("li", { className: "x-popup-note", textContent: say("andMore", { n: rest }) }));
  return make("ul", { className: "x-popup-list" }, ...items);
}

/** Several cases at one point, each once: tiles that overlap bring a case twice. */
function at(map, point) {
  const found = new Map();
  for (const feature of map.queryRenderedFeatures(point, { layers: ["cases"] })) found.set(feature.properties.id, feature);
  return [...found.values()];
}

export function cases(library, map, element) {
  const popup = new library.Popup({ closeButton: false, closeOnClick: true, offset: 12, maxWidth: "300px" });
  let kept = false;
  popup.on("close", () => (kept = false));
  map.on("mousemove", "cases", ({ point }) => {
    const found = at(map, point);
    map.getCanvas().style.cursor = "pointer";
    if (kept || !found.length) return;
    const [first] = found;
    const note = found.length > 1 ? make("p", { className: "x-popup-note", textContent: say("casesHere", { n: found.length }) }) : "";
    popup.setLngLat(first.geometry.coordinates).setDOMContent(make("div", {}, card(first), note)).addTo(map);
  });
  map.on("mouseleave", "cases", () => {
    map.getCanvas().style.cursor = "";
    if (!kept) popup.remove();
  });
  // A listener of `map:case` may take the case for itself (a list beside the map) by preventing the event.
  const told = ({ properties: { id, url } }) =>
    element.dispatchEvent(new CustomEvent("map:case", { bubbles: true, cancelable: true, detail: { id, url } }));
  map.on("click", "cases", (event) => {
    if (element.dataset.drawing) return;
    const found = at(map, event.point);
    if (found.length > 1) {
      // After the map's own click, which closes popups.
      setTimeout(() => {
        popup.setLngLat(found[0].geometry.coordinates).setDOMContent(list(found, told)).addTo(map);
        kept = true;
      });
      return;
    }
    const [{ properties }] = found;
    if (told(found[0]) && properties.url && properties.url !== "#" && !("pick" in element.dataset)) location.assign(properties.url);
  });
  map.on("mousemove", "clusters", () => (map.getCanvas().style.cursor = "pointer"));
  map.on("mouseleave", "clusters", () => (map.getCanvas().style.cursor = ""));
  map.on("click", "clusters", async ({ features: [feature] }) => {
    if (element.dataset.drawing) return;
    const { west, south, east, north, cluster_id: cluster } = feature.properties;
    if (west !== undefined) {
      map.fitBounds([west, south, east, north], { padding: 60, maxZoom: Math.max(15.5, map.getZoom() + 1), duration: 300 });
      return;
    }
    const zoom = await map.getSource("cases").getClusterExpansionZoom(cluster);
    map.easeTo({ center: feature.geometry.coordinates, zoom });
  });
}
