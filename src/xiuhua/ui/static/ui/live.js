// Live update: what others change shows on the open page. A stream tells it (server-sent events); while there is none
// the page asks every 20 seconds and says so.
//
//   [data-live] with an id      a part that is fetched anew and put in place, unless somebody is busy in it
//   [data-live-ask]             a part that asks for itself on the event live:changed
//   tr[data-case][data-seq]     a row; one that is new or has moved on is marked for a moment
//   [data-changed]              a box for "who changed this case", address in it; data-number, data-seq of what is shown
import { arrive } from "./arrival.js";
import { make, say } from "./strings.js";

const ASK_EVERY = 20_000;
const DOWN_AFTER = 8_000; // a stream that is renewed by the server is back sooner
const SILENCE = 40_000; // the stream beats every 15 s
const GATHER = 600;

const { live, stream, liveAt } = document.body.dataset;
let last = ""; // the highest event id heard
let source = null;
let failures = 0;
let asking = 0;
let downTimer = 0;
let silence = 0;
let gathering = 0;
let stale = false;
let ended = false;

const later = (one, other) => one.length > other.length || (one.length === other.length && one > other);
const from = () => (last ? `after=${last}` : `at=${liveAt}`);

function hear(news) {
  if (later(news.id, last)) last = news.id;
  for (const box of document.querySelectorAll("[data-changed]")) {
    if (box.dataset.number === news.case && news.seq > Number(box.dataset.seq)) tellChanged(box);
  }
  if (news.arrived) arrive(news.id);
  gather();
}

function hearReset() {
  for (const box of document.querySelectorAll("[data-changed]")) tellChanged(box);
  gather();
}

async function get(url) {
  const answer = await fetch(url, { headers: { "X-Requested-With": "live" }, cache: "no-store" });
  if (answer.redirected || answer.status === 401 || answer.status === 403) {
    stop(); // logged out, or no longer allowed: the next click says so
    return null;
  }
  if (!answer.ok) throw new Error(String(answer.status));
  return answer;
}

const parse = (text) => new DOMParser().parseFromString(text, "text/html");

async function tellChanged(box) {
  try {
    const answer = await get(`${box.dataset.changed}?seq=${box.dataset.seq}`);
    if (!answer || answer.status === 204) return;
    box.replaceChildren(...parse(await answer.text()).body.childNodes);
    box.dataset.seq = box.firstElementChild.dataset.seq;
  } catch {
    // The connection is away; the stream or the next question tells again.
  }
}

// -- parts that are fetched anew ----------------------------------------------------------------------------------

function gather() {
  if (!document.querySelector("[data-live]")) return;
  if (document.hidden) stale = true;
  else gathering ||= setTimeout(renew, GATHER);
}

const busy = (part) =>
  part.querySelector("input:checked, dialog[open], details[open]") ||
  (part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea"));

async function renew() {
  try {
    const answer = await get(location.href);
    if (!answer) return;
    const fresh = parse(await answer.text());
    for (const part of document.querySelectorAll("[data-live]")) {
      const other = fresh.getElementById(part.id);
      if (other && !busy(part) && !part.isEqualNode(other)) replace(part, other);
    }
    for (const part of document.querySelectorAll("[data-live-ask]")) window.htmx?.trigger(part, "live:changed");
    const time = document.querySelector(".x-asof");
    const now = fresh.querySelector(".x-asof");
    if (time && now) time.replaceWith(now);
  } catch {
    stale = true;
  } finally {
    gathering = 0;
  }
}

function replace(part, other) {
  const seen = new Map([...part.querySelectorAll("[data-case]")].map((row) => [row.dataset.case, row.dataset.seq]));
  const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  part.replaceChildren(...other.childNodes);
  for (const row of part.querySelectorAll("[data-case]")) {
    if (seen.get(row.dataset.case) !== row.dataset.seq) row.classList.add("is-fresh");
  }
  if (focused) [...part.querySelectorAll("a[href]")].find((a) => a.getAttribute("href") === focused)?.focus();
  window.htmx?.process(part);
  window.htmx?.trigger(part, "htmx:load");
}

// -- the stream, and asking while there is none -------------------------------------------------------------------

function address() {
  const base = stream.startsWith(":") ? `${location.protocol}//${location.hostname}${stream}` : stream;
  return `${base}?${from()}`;
}

function connect() {
  if (ended) return;
  source?.close();
  source = new EventSource(address(), { withCredentials: true });
  source.addEventListener("hello", () => {
    failures = 0;
    sayDown(false);
    clearInterval(asking);
    asking = 0;
    alive();
  });
  source.addEventListener("beat", alive);
  source.addEventListener("case", (event) => {
    alive();
    hear(JSON.parse(event.data));
  });
  source.addEventListener("reset", hearReset);
  downTimer ||= setTimeout(down, DOWN_AFTER);
  source.addEventListener("error", () => {
    clearTimeout(silence);
    downTimer ||= setTimeout(down, DOWN_AFTER);
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    failures += 1;
    setTimeout(connect, Math.min(60_000, 1000 * 2 ** failures) * (0.5 + Math.random() / 2));
  });
}

// A line that is cut without a word looks open for ever: beats that stay away tell.
function alive() {
  clearTimeout(downTimer);
  downTimer = 0;
  clearTimeout(silence);
  silence = setTimeout(() => {
    down();
    connect();
  }, SILENCE);
}

function down() {
  sayDown(true);
  if (!asking) {
    ask();
    asking = setInterval(ask, ASK_EVERY);
  }
}

function sayDown(is) {
  const strip = document.getElementById("live-down");
  if (!is) strip?.remove();
  else if (!strip) {
    const said = make("div", { id: "live-down", className: "x-live-down", textContent: say("liveDown") });
    said.setAttribute("role", "status");
    document.getElementById("content")?.prepend(said);
  }
}

async function ask() {
  if (document.hidden || ended) return;
  try {
    const answer = await get(`${live}?${from()}`);
    if (!answer) return;
    const told = await answer.json();
    for (const news of told.news) hear(news);
    if (told.reset) hearReset();
    if (later(told.after, last)) last = told.after;
  } catch {
    // Asked again in a moment.
  }
}

function stop() {
  ended = true;
  source?.close();
  clearTimeout(downTimer);
  clearTimeout(silence);
  clearInterval(asking);
}

/** Once per page; nothing for pages of visitors. */
export function listen() {
  if (!live) return;
  if (stream) connect();
  else asking = setInterval(ask, ASK_EVERY);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !stale) return;
    stale = false;
    gather();
  });
  window.addEventListener("pagehide", () => source?.close());
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    if (stream) connect();
    hearReset();
  });
}
