// A position: typed, found by the browser, or picked on the map. All three write the same three fields.
// The element emits `position` with {lon, lat, datum, by} whenever it has a valid one.
import { say } from "./strings.js";

export function position(box) {
  const lon = box.querySelector("[data-lon]");
  const lat = box.querySelector("[data-lat]");
  const datum = box.querySelector("[data-datum]");
  const accuracy = box.querySelector("[data-accuracy]");
  const said = box.querySelector("[data-said]");

  const tell = (by) => {
    const x = Number(lon.value);
    const y = Number(lat.value);
    if (!lon.value.trim() || !lat.value.trim()) return;
    if (!(Math.abs(x) <= 180 && Math.abs(y) <= 90)) {
      said.textContent = say("badCoordinate");
      return;
    }
    box.dispatchEvent(new CustomEvent("position", { bubbles: true, detail: { lon: x, lat: y, datum: datum.value, by } }));
  };
  const set = (x, y, by, metres = "") => {
    lon.value = x.toFixed(7);
    lat.value = y.toFixed(7);
    datum.value = "wgs84";
    accuracy.value = metres;
    said.textContent = metres ? say("located", { n: metres }) : say("picked", { lon: x.toFixed(5), lat: y.toFixed(5) });
    tell(by);
  };
  for (const field of [lon, lat, datum]) {
    field.addEventListener("change", () => {
      accuracy.value = "";
      said.textContent = "";
      tell("typed");
    });
  }
  // "114.32, 29.84" pasted into the first field fills both.
  lon.addEventListener("paste", (event) => {
    const found = event.clipboardData.getData("text").match(/^\s*(-?\d+(?:\.\d+)?)\s*[,，;\s]\s*(-?\d+(?:\.\d+)?)\s*$/);
    if (!found) return;
    event.preventDefault();
    const [first, second] = [Number(found[1]), Number(found[2])];
    lon.value = Math.max(first, second);
    lat.value = Math.min(first, second);
    tell("typed");
  });
  // What the form came with is shown and looked up too, once htmx listens.
  const start = () => tell("given");
  if (document.readyState === "complete") setTimeout(start);
  else addEventListener("load", start, { once: true });
  box.addEventListener("pick", (event) => set(event.detail.lon, event.detail.lat, "map"));
  box.querySelector("[data-locate]").addEventListener("click", () => {
    said.textContent = say("locating");
    const failed = () => (said.textContent = say("locationDenied"));
    if (!navigator.geolocation) return failed();
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => set(coords.longitude, coords.latitude, "device", Math.ceil(coords.accuracy)),
      failed,
      { enableHighAccuracy: true, timeout: 15000, maximumAge: 10000 },
    );
  });
}
