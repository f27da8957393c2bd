// How the layers look: colours from the CSS tokens, shape says the stage of a case, colour its urgency.

/** A colour token of the present theme. */
export function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--x-${name}`).trim();
}

const SHAPES = {
  report: (pen) => pen.arc(0, 0, 15, 0, 7),
  file: (pen) => polygon(pen, [[0, -19], [19, 0], [0, 19], [-19, 0]]),
  handle: (pen) => polygon(pen, [[-14, -14], [14, -14], [14, 14], [-14, 14]]),
  check: (pen) => polygon(pen, [[0, -18], [18, 14], [-18, 14]]),
  closed: (pen) => pen.arc(0, 0, 11, 0, 7),
};
const COLOURS = { ordinary: "accent", urgent: "amber", over: "red" };

function polygon(pen, points) {
  points.forEach(([x, y], index) => (index ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.closePath();
}

/** Name and picture of every shape in every colour, drawn at twice its size. */
export function images() {
  const made = [];
  for (const [shape, path] of Object.entries(SHAPES)) {
    for (const [colour, name] of Object.entries(COLOURS)) {
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = 48;
      const pen = canvas.getContext("2d");
      pen.translate(24, 24);
      pen.beginPath();
      path(pen);
      pen.lineJoin = "round";
      pen.lineWidth = 5;
      pen.strokeStyle = token("surface");
      if (shape === "closed") {
        pen.fillStyle = token("surface");
        pen.fill();
        pen.strokeStyle = token(name);
        pen.stroke();
      } else {
        pen.stroke();
        pen.fillStyle = token(name);
        pen.fill();
      }
      made.push([`case-${shape}-${colour}`, pen.getImageData(0, 0, 48, 48)]);
    }
  }
  return made;
}

const FONT = ["sans-serif"];
const text = (size) => ({ "text-field": ["get", "name"], "text-font": FONT, "text-size": size, "text-max-width": 8 });

/** Boundaries, grids, roads, components and the marked place; over tiles the areas are not filled. */
export function groundLayers(overTiles) {
  const halo = { "text-halo-color": token("map-ground"), "text-halo-width": 1.5 };
  const label = { "text-color": token("map-text"), ...halo };
  return [
    { id: "counties-area", source: "counties", type: "fill", paint: { "fill-color": token("map-county"), "fill-opacity": overTiles ? 0 : 1 } },
    { id: "grids-line", source: "grids", type: "line", minzoom: 13, paint: { "line-color": token("map-grid-line"), "line-width": 1 } },
    { id: "communities-line", source: "communities", type: "line", minzoom: 10, paint: { "line-color": token("map-community-line"), "line-width": 1.2 } },
    { id: "counties-line", source: "counties", type: "line", paint: { "line-color": token("map-county-line"), "line-width": 1.6, "line-dasharray": [4, 2] } },
    { id: "roads-edge", source: "roads", type: "line", layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": token("map-road-edge"), "line-opacity": overTiles ? 0 : 1, "line-width": ["interpolate", ["exponential", 1.5], ["zoom"], 10, 1.5, 14, ["match", ["get", "kind"], "main", 8, 5.5], 18, ["match", ["get", "kind"], "main", 30, 20]] } },
    { id: "roads-line", source: "roads", type: "line", layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": token("map-road"), "line-opacity": overTiles ? 0 : 1, "line-width": ["interpolate", ["exponential", 1.5], ["zoom"], 10, 0.8, 14, ["match", ["get", "kind"], "main", 6, 3.5], 18, ["match", ["get", "kind"], "main", 26, 16]] } },
    { id: "components-many", source: "components", type: "circle", minzoom: 11, filter: ["has", "point_count"], paint: { "circle-color": token("map-component"), "circle-opacity": 0.28, "circle-radius": ["interpolate", ["linear"], ["get", "point_count"], 1, 5, 20, 12, 500, 22, 5000, 28] } },
    { id: "components-count", source: "components", type: "symbol", minzoom: 11, filter: ["has", "point_count"], layout: { "text-field": ["get", "said"], "text-font": FONT, "text-size": 11 }, paint: label },
    { id: "components", source: "components", type: "circle", minzoom: 12, filter: ["!", ["has", "point_count"]], paint: { "circle-color": token("map-component"), "circle-radius": ["interpolate", ["linear"], ["zoom"], 12, 1.5, 18, 6], "circle-stroke-color": token("surface"), "circle-stroke-width": 1 } },
    { id: "things-area", source: "things", type: "fill", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": token("accent"), "fill-opacity": 0.18 } },
    { id: "things-line", source: "things", type: "line", filter: ["!=", ["geometry-type"], "Point"], paint: { "line-color": token("accent"), "line-width": 2.5 } },
    { id: "things", source: "things", type: "circle", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-color": token("accent"), "circle-radius": ["interpolate", ["linear"], ["zoom"], 10, 3, 18, 7], "circle-stroke-color": token("surface"), "circle-stroke-width": 1.5 } },
    { id: "here", source: "here", type: "circle", paint: { "circle-radius": 11, "circle-color": token("red"), "circle-opacity": 0.18, "circle-stroke-color": token("red"), "circle-stroke-width": 2 } },
    { id: "counties-name", source: "counties-names", type: "symbol", maxzoom: 12.5, layout: text(14), paint: label },
    { id: "communities-name", source: "communities-names", type: "symbol", minzoom: 12.5, layout: text(12), paint: label },
    { id: "roads-name", source: "roads", type: "symbol", minzoom: 12, layout: { ...text(12), "symbol-placement": "line", "symbol-spacing": 320 }, paint: label },
  ];
}

/** The area that filters the cases, and what is being drawn or measured. */
export function areaLayers() {
  const pen = token("accent");
  const dash = { "line-color": pen, "line-width": 2, "line-dasharray": [3, 2] };
  return [
    { id: "area-fill", source: "area", type: "fill", paint: { "fill-color": pen, "fill-opacity": 0.08 } },
    { id: "area-line", source: "area", type: "line", paint: dash },
    { id: "drawn-fill", source: "drawn", type: "fill", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": pen, "fill-opacity": 0.12 } },
    { id: "drawn-line", source: "drawn", type: "line", paint: dash },
    { id: "drawn-point", source: "drawn", type: "circle", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-radius": 5, "circle-color": token("surface"), "circle-stroke-color": pen, "circle-stroke-width": 2 } },
  ];
}

/** Single cases by shape and colour, and clusters with their count in the colour of the worst inside. */
export function caseLayers() {
  const stage = ["match", ["get", "stage"], ["report", "verify"], "report", ["file", "dispatch"], "file", ["check", "close"], "check", ["closed", "done"], "closed", "handle"];
  const colour = ["case", ["any", ["==", ["get", "urgency"], "very_urgent"], ["==", ["get", "overdue"], true]], "over", ["==", ["get", "urgency"], "urgent"], "urgent", "ordinary"];
  return [
    {
      id: "clusters", source: "cases", type: "circle", filter: ["has", "point_count"],
      paint: {
        "circle-color": ["case", [">", ["get", "over"], 0], token("red"), [">", ["get", "urgent"], 0], token("amber"), token("accent")],
        "circle-radius": ["interpolate", ["linear"], ["get", "point_count"], 2, 13, 50, 18, 1000, 25],
        "circle-stroke-color": token("surface"), "circle-stroke-width": 2,
      },
    },
    {
      id: "clusters-count", source: "cases", type: "symbol", filter: ["has", "point_count"],
      layout: { "text-field": ["coalesce", ["get", "said"], ["get", "point_count_abbreviated"]], "text-font": FONT, "text-size": 13, "text-allow-overlap": true, "text-ignore-placement": true },
      paint: { "text-color": token("surface") },
    },
    {
      id: "cases", source: "cases", type: "symbol", filter: ["!", ["has", "point_count"]],
      layout: { "icon-image": ["concat", "case-", stage, "-", colour], "icon-allow-overlap": true, "icon-ignore-placement": true, "icon-size": ["interpolate", ["linear"], ["zoom"], 10, 0.8, 16, 1.1] },
    },
  ];
}
