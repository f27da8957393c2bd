// Maps of the city's own layers. `draw(element)` reads data-map (see xiuhua.ui.parts.MapView.config).
// Events on the element: `map:ready` {map}, `map:case` {id, url}; a map with data-pick emits `pick` {lon, lat}.
import { make, say } from "./strings.js";
import { toWgs84 } from "./datum.js";
import { shifted } from "./tiles.js";
import { areaLayers, caseLayers, groundLayers, images, token } from "./mapstyle.js";
import { cases } from "./mapcases.js";
import { tools } from "./mapdraw.js";

const NAMED = new Set(["counties", "communities"]);
const CHINA = [73, 18, 135, 54];
let library;

async function maplibre() {
  const { maplibre: url, maplibreWorker: worker, maplibreCss: css } = document.body.dataset;
  if (!library) {
    document.head.append(make("link", { rel: "stylesheet", href: css }));
    library = import(url).then((module) => {
      module.setWorkerUrl(new URL(worker, location.href).href);
      return module;
    });
  }
  return library;
}

function webgl() {
  const context = document.createElement("canvas").getContext("webgl2");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return Boolean(context);
}

function box(features) {
  const bounds = [Infinity, Infinity, -Infinity, -Infinity];
  const visit = (part) => {
    if (typeof part[0] === "number") {
      bounds[0] = Math.min(bounds[0], part[0]);
      bounds[1] = Math.min(bounds[1], part[1]);
      bounds[2] = Math.max(bounds[2], part[0]);
      bounds[3] = Math.max(bounds[3], part[1]);
    } else part.forEach(visit);
  };
  for (const { geometry } of features) if (geometry) visit(geometry.coordinates);
  return Number.isFinite(bounds[0]) ? bounds : null;
}

/** A point for the name of each area: the given label position, else the middle of its largest ring. */
function names(data) {
  const features = [];
  for (const { geometry, properties } of data.features ?? []) {
    if (!geometry || !properties?.name) continue;
    const parts = geometry.type === "MultiPolygon" ? geometry.coordinates : [geometry.coordinates];
    const rings = parts.map((part) => ({ type: "Polygon", coordinates: [part[0]] }));
    const size = (ring) => {
      const [w, s, e, n] = box([{ geometry: ring }]);
      return (e - w) * (n - s);
    };
    const [w, s, e, n] = box([{ geometry: rings.reduce((best, ring) => (size(ring) > size(best) ? ring : best)) }]);
    const at = properties.label_lon ? [properties.label_lon, properties.label_lat] : [(w + e) / 2, (s + n) / 2];
    features.push({ type: "Feature", properties: { name: properties.name }, geometry: { type: "Point", coordinates: at } });
  }
  return { type: "FeatureCollection", features };
}

async function load(layer) {
  if (layer.data) return layer.data;
  const response = await fetch(layer.url, { headers: { Accept: "application/geo+json, application/json" } });
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
}

/** A template of tiles as a whole address; the worker that fetches does not know the page. */
function whole(template) {
  return new URL(template, location.href).href.replaceAll("%7B", "{").replaceAll("%7D", "}");
}

function style(tiles, library) {
  const sources = {};
  const layers = [{ id: "ground", type: "background", paint: { "background-color": token("map-ground") } }];
  tiles.forEach((tile, index) => {
    const id = `tiles-${index}`;
    sources[id] = {
      type: "raster",
      tiles: [shifted(library, whole(tile.url), tile.datum)],
      tileSize: 256,
      minzoom: tile.minzoom ?? 0,
      maxzoom: tile.maxzoom ?? 18,
      attribution: tile.attribution,
    };
    layers.push({ id, type: "raster", source: id, paint: tile.overlay ? {} : { "raster-saturation": -0.45, "raster-opacity": 0.9 } });
  });
  return { version: 8, sources, layers };
}

function locale() {
  return {
    "NavigationControl.ZoomIn": say("zoomIn"),
    "NavigationControl.ZoomOut": say("zoomOut"),
    "NavigationControl.ResetBearing": say("resetNorth"),
    "GeolocateControl.FindMyLocation": say("myPlace"),
    "AttributionControl.ToggleAttribution": say("attribution"),
    "Map.Title": say("map"),
  };
}

function pin() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", "M12 1.500a7.500 7.500 0 0 0-7.500 7.500c0 5.200 7.500 13.500 7.500 13.500s7.500-8.300 7.500-13.500A7.500 7.500 0 0 0 12 1.500Zm0 10.200a2.700 2.700 0 1 1 0-5.400 2.700 2.700 0 0 1 0 5.400Z");
  path.setAttribute("fill", "currentColor");
  svg.append(path);
  return make("div", { className: "x-pin" }, svg);
}

/** The single component that was hit by a finger or a mouse; undefined for none. */
function nearComponent(map, { x, y }) {
  if (!map.getLayer("components")) return undefined;
  const reach = matchMedia("(pointer: coarse)").matches ? 16 : 8;
  const [found] = map.queryRenderedFeatures([[x - reach, y - reach], [x + reach, y + reach]], { layers: ["components"] });
  return found;
}

function picking(library, map, element) {
  const target = document.getElementById(element.dataset.pick)?.querySelector("[data-position]")
    ?? element.closest("[data-position]");
  if (!target) return;
  let marker;
  const put = (lon, lat) => {
    marker ??= new library.Marker({ element: pin(), anchor: "bottom", draggable: true }).setLngLat([lon, lat]).addTo(map);
    marker.setLngLat([lon, lat]);
    if (!marker.listens) {
      marker.listens = true;
      marker.on("dragend", () => emit(marker.getLngLat()));
    }
  };
  const emit = ({ lng, lat }) => {
    put(lng, lat);
    element.dispatchEvent(new CustomEvent("pick", { bubbles: true, detail: { lon: lng, lat } }));
  };
  map.getCanvas().classList.add("is-picking");
  map.on("click", (event) => {
    const part = nearComponent(map, event.point);
    if (!part) return emit(event.lngLat);
    const [lng, lat] = part.geometry.coordinates;
    emit({ lng, lat });
    target.dispatchEvent(new CustomEvent("component", { bubbles: true, detail: part.properties }));
  });
  // By keyboard: arrows move the map, Enter or the button takes its centre.
  const button = make("button", { type: "button", className: "btn x-map-tool", textContent: say("centrePoint") });
  button.addEventListener("click", () => emit(map.getCenter()));
  map.getCanvas().addEventListener("keydown", (event) => event.key === "Enter" && (event.preventDefault(), emit(map.getCenter())));
  element.append(make("div", { className: "x-cross" }), button);
  target.addEventListener("position", ({ detail }) => {
    if (detail.by === "map") return;
    const [lon, lat] = toWgs84(detail.lon, detail.lat, detail.datum);
    put(lon, lat);
    map.easeTo({ center: [lon, lat], zoom: Math.max(map.getZoom(), 15), duration: 300 });
  });
  const [lon, lat] = [target.querySelector("[data-lon]").value, target.querySelector("[data-lat]").value];
  if (lon && lat) {
    const at = toWgs84(Number(lon), Number(lat), target.querySelector("[data-datum]").value);
    put(...at);
    map.jumpTo({ center: at });
  }
}

/** Rows of a ledger: their name under the pointer, their page by a click. */
function things(library, map) {
  const popup = new library.Popup({ closeButton: false, closeOnClick: false, offset: 10, maxWidth: "280px" });
  for (const layer of ["things", "things-area", "things-line"]) {
    map.on("mousemove", layer, ({ features: [feature], lngLat }) => {
      map.getCanvas().style.cursor = "pointer";
      popup.setLngLat(lngLat).setText(feature.properties.title ?? "").addTo(map);
    });
    map.on("mouseleave", layer, () => {
      map.getCanvas().style.cursor = "";
      popup.remove();
    });
    map.on("click", layer, ({ features: [feature] }) => feature.properties.url && location.assign(feature.properties.url));
  }
}

export async function draw(element) {
  const config = JSON.parse(element.dataset.map);
  const said = element.querySelector("[data-map-said]");
  const fail = (text) => {
    said.hidden = false;
    said.textContent = text;
    element.dataset.mapState = "failed";
  };
  if (!webgl()) return fail(say("noWebgl"));
  let library;
  try {
    library = await maplibre();
  } catch {
    return fail(say("offline"));
  }
  const map = new library.Map({
    container: element,
    style: style(config.tiles, library),
    ...(config.bounds || !config.centre ? { bounds: config.bounds ?? CHINA, fitBoundsOptions: { padding: 24 } } : { center: config.centre, zoom: config.zoom }),
    maxZoom: 19,
    pitchWithRotate: false,
    dragRotate: false,
    touchPitch: false,
    attributionControl: false,
    cooperativeGestures: false,
    localIdeographFontFamily: getComputedStyle(document.body).fontFamily,
    locale: locale(),
    fadeDuration: 0,
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new library.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new library.ScaleControl({ maxWidth: 90 }), "bottom-right");
  if (config.tiles.some((tile) => tile.attribution)) map.addControl(new library.AttributionControl({ compact: false }), "bottom-right");

  const loaded = new Map();
  await new Promise((resolve) => map.once("style.load", resolve));
  const failed = (kind) => {
    const layer = config.layers.find((one) => one.kind === kind);
    said.hidden = false;
    said.classList.add("is-note");
    said.textContent = say("layerFailed", { name: layer?.title || kind });
  };
  await Promise.all(
    config.layers.filter((layer) => !layer.tiles).map(async (layer) => {
      try {
        loaded.set(layer.kind, await load(layer));
      } catch {
        failed(layer.kind);
      }
    }),
  );
  map.on("error", ({ sourceId }) => sourceId && config.layers.some((one) => one.kind === sourceId) && failed(sourceId));
  const shown = new Map(config.layers.map((layer) => [layer.kind, layer.shown]));
  const vector = new Set(config.layers.filter((layer) => layer.tiles).map((layer) => layer.kind));
  const dress = () => {
    for (const [name, image] of images()) {
      if (map.hasImage(name)) map.updateImage(name, image);
      else map.addImage(name, image, { pixelRatio: 2 });
    }
    map.setPaintProperty("ground", "background-color", token("map-ground"));
    const wanted = [...groundLayers(config.tiles.length > 0), ...areaLayers(), ...caseLayers()];
    for (const plain of wanted) {
      if (!map.getSource(plain.source)) continue;
      const layer = vector.has(plain.source) ? { ...plain, "source-layer": plain.source } : plain;
      if (map.getLayer(layer.id)) {
        for (const [name, value] of Object.entries(layer.paint ?? {})) map.setPaintProperty(layer.id, name, value);
      } else map.addLayer({ ...layer, layout: { ...layer.layout, visibility: shown.get(layer.source.replace("-names", "")) ?? true ? "visible" : "none" } });
    }
  };
  for (const [kind, data] of loaded) {
    const clusters = kind === "cases"
      ? {
          cluster: true,
          clusterRadius: 38,
          clusterMaxZoom: 14,
          clusterProperties: {
            urgent: ["+", ["case", ["==", ["get", "urgency"], "urgent"], 1, 0]],
            over: ["+", ["case", ["any", ["==", ["get", "urgency"], "very_urgent"], ["==", ["get", "overdue"], true]], 1, 0]],
          },
        }
      : {};
    map.addSource(kind, { type: "geojson", data, ...clusters });
    // One name for one area: a label on the area itself would stand once in every tile that it crosses.
    if (NAMED.has(kind)) map.addSource(`${kind}-names`, { type: "geojson", data: names(data) });
  }
  for (const layer of config.layers) {
    if (!layer.tiles) continue;
    map.addSource(layer.kind, { type: "vector", tiles: [whole(layer.tiles)], minzoom: layer.minzoom, maxzoom: layer.maxzoom });
  }
  dress();
  if (!config.bounds && !config.centre) {
    const all = box([...loaded.values()].flatMap((data) => data.features ?? []));
    if (all) map.fitBounds(all, { padding: 24, duration: 0 });
  }
  if (map.getSource("cases")) cases(library, map, element);
  if (loaded.has("things")) things(library, map);
  if (element.dataset.pick) picking(library, map, element);
  element.addEventListener("map:dress", dress);
  if (config.tools) tools(map, element, config.tools);
  if (loaded.size + vector.size === config.layers.length) said.hidden = true;

  // The same tokens, another theme: colours are set again, nothing is loaded again.
  new MutationObserver(dress).observe(document.documentElement, { attributes: true, attributeFilter: ["data-bs-theme"] });
  for (const box of element.closest(".x-map")?.querySelectorAll("[data-layer]") ?? []) {
    box.addEventListener("change", () => {
      shown.set(box.dataset.layer, box.checked);
      for (const layer of map.getStyle().layers) {
        if ([box.dataset.layer, `${box.dataset.layer}-names`].includes(layer.source)) map.setLayoutProperty(layer.id, "visibility", box.checked ? "visible" : "none");
      }
    });
  }
  element.addEventListener("map:reload", async () => {
    for (const layer of config.layers) {
      const source = map.getSource(layer.kind);
      if (source && layer.tiles) source.setTiles([whole(layer.tiles)]);
      else if (source && layer.url) source.setData(await load(layer));
    }
  });
  map.once("idle", () => {
    element.dataset.mapState = "ready";
    element.dispatchEvent(new CustomEvent("map:ready", { bubbles: true, detail: { map } }));
  });
}
