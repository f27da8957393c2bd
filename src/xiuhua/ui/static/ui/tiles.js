// Raster tiles of another datum, moved under our own layers: a tile of our map is pieced together from up to four
// of theirs. The shift is worked out at the middle of each tile; across one tile it changes by less than a pixel.
import { fromWgs84 } from "./datum.js";

const SIZE = 256;
const { PI, atan, sinh, log, tan, cos, floor } = Math;

const lonOf = (x, n) => (x / n) * 360 - 180;
const latOf = (y, n) => (atan(sinh(PI * (1 - (2 * y) / n))) * 180) / PI;
const xOf = (lon, n) => ((lon + 180) / 360) * n;
const yOf = (lat, n) => ((1 - log(tan((lat * PI) / 180) + 1 / cos((lat * PI) / 180)) / PI) / 2) * n;

/** Where, in tile units of the other datum, the upper left corner of our tile lies. */
export function corner(z, x, y, datum) {
  const n = 2 ** z;
  const [lon, lat] = fromWgs84(lonOf(x + 0.5, n), latOf(y + 0.5, n), datum);
  return [xOf(lon, n) - 0.5, yOf(lat, n) - 0.5];
}

async function one(url, signal) {
  const response = await fetch(url, { signal });
  return response.ok ? createImageBitmap(await response.blob()) : null;
}

/** Adds the protocol `shift://{z}/{x}/{y}` for a tile URL of another datum and returns the URL to use. */
export function shifted(maplibre, template, datum) {
  if (!["gcj02", "bd09"].includes(datum)) return template;
  maplibre.addProtocol("shift", async ({ url }, abort) => {
    const [z, x, y] = url.slice("shift://".length).split("/").map(Number);
    const [left, top] = corner(z, x, y, datum);
    const [x0, y0] = [floor(left), floor(top)];
    const canvas = new OffscreenCanvas(SIZE, SIZE);
    const pen = canvas.getContext("2d");
    await Promise.all(
      [0, 1].flatMap((dx) =>
        [0, 1].map(async (dy) => {
          const address = template.replace("{z}", z).replace("{x}", x0 + dx).replace("{y}", y0 + dy);
          const picture = await one(address, abort.signal);
          if (picture) pen.drawImage(picture, (x0 + dx - left) * SIZE, (y0 + dy - top) * SIZE, SIZE, SIZE);
        }),
      ),
    );
    return { data: await (await canvas.convertToBlob()).arrayBuffer() };
  });
  return "shift://{z}/{x}/{y}";
}
