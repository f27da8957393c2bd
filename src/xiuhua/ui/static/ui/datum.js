// GCJ-02 and BD-09 from WGS 84, as published; used to shift tiles of those datums under our own layers, never data.

const A = 6378245;
const EE = 0.00669342162296594323;
const { PI, sin, cos, sqrt, abs, atan2 } = Math;

function inChina(lon, lat) {
  return lon >= 72.004 && lon <= 137.8347 && lat >= 0.8293 && lat <= 55.8271;
}

function wave(x, y, lonWise) {
  const base = lonWise
    ? 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x))
    : -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x));
  const t = lonWise ? x : y;
  const ripple = ((20 * sin(6 * x * PI) + 20 * sin(2 * x * PI)) * 2) / 3;
  const swell = ((20 * sin(t * PI) + 40 * sin((t / 3) * PI)) * 2) / 3;
  const far = lonWise
    ? ((150 * sin((x / 12) * PI) + 300 * sin((x / 30) * PI)) * 2) / 3
    : ((160 * sin((y / 12) * PI) + 320 * sin((y * PI) / 30)) * 2) / 3;
  return base + ripple + swell + far;
}

/** WGS 84 degrees -> GCJ-02 degrees. */
export function toGcj02(lon, lat) {
  if (!inChina(lon, lat)) return [lon, lat];
  const x = lon - 105;
  const y = lat - 35;
  const phi = (lat / 180) * PI;
  const magic = 1 - EE * sin(phi) ** 2;
  const dLat = (wave(x, y, false) * 180) / (((A * (1 - EE)) / (magic * sqrt(magic))) * PI);
  const dLon = (wave(x, y, true) * 180) / ((A / sqrt(magic)) * cos(phi) * PI);
  return [lon + dLon, lat + dLat];
}

/** WGS 84 degrees -> BD-09 degrees. */
export function toBd09(lon, lat) {
  const [x, y] = toGcj02(lon, lat);
  const z = sqrt(x * x + y * y) + 0.00002 * sin((y * PI * 3000) / 180);
  const theta = atan2(y, x) + 0.000003 * cos((x * PI * 3000) / 180);
  return [z * cos(theta) + 0.0065, z * sin(theta) + 0.006];
}

/** From WGS 84 into a datum; CGCS2000 is WGS 84 at the accuracy of a phone. */
export function fromWgs84(lon, lat, datum) {
  if (datum === "gcj02") return toGcj02(lon, lat);
  if (datum === "bd09") return toBd09(lon, lat);
  return [lon, lat];
}

/** Into WGS 84, by fixed-point iteration (a few millimetres after five rounds). */
export function toWgs84(lon, lat, datum) {
  let [x, y] = [lon, lat];
  for (let round = 0; round < 5; round += 1) {
    const [u, v] = fromWgs84(x, y, datum);
    [x, y] = [x + lon - u, y + lat - v];
  }
  return [x, y];
}
