// A case has come to whoever sits here: the title and the app's badge count what came while nobody looked, and a short
// tone sounds where this person has switched it on (per browser, off at first).
const SWITCH = "xiuhua_sound";
const SOUNDED = "xiuhua_sounded"; // the last arrival that sounded, so that of many tabs one sounds
const title = document.title;
const counted = new Set();
let audio = null;
let unseen = 0;

function read(key) {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return ""; // storage is switched off
  }
}

function write(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Storage is switched off: the choice lasts as long as the page.
  }
}

function show() {
  document.title = unseen ? `(${unseen}) ${title}` : title;
  const done = unseen ? navigator.setAppBadge?.(unseen) : navigator.clearAppBadge?.();
  done?.catch(() => {}); // not an installed app
}

function tone() {
  audio ??= new AudioContext();
  audio.resume();
  const volume = audio.createGain();
  volume.connect(audio.destination);
  const begin = audio.currentTime;
  volume.gain.setValueAtTime(0.0001, begin);
  volume.gain.exponentialRampToValueAtTime(0.12, begin + 0.02);
  volume.gain.exponentialRampToValueAtTime(0.0001, begin + 0.5);
  [660, 880].forEach((pitch, step) => {
    const voice = audio.createOscillator();
    voice.frequency.value = pitch;
    voice.connect(volume);
    voice.start(begin + step * 0.16);
    voice.stop(begin + 0.5);
  });
}

/** The event of this id brought a case. */
export function arrive(id) {
  if (counted.has(id)) return;
  counted.add(id);
  if (document.hidden) {
    unseen += 1;
    show();
  }
  if (read(SWITCH) === "on" && read(SOUNDED) !== id) {
    write(SOUNDED, id);
    tone();
  }
}

/** The switch in the account's menu. */
export function sound(button) {
  const label = () => {
    const on = read(SWITCH) === "on";
    button.setAttribute("aria-pressed", String(on));
    button.querySelector("[data-sound-is]").textContent = on ? button.dataset.on : button.dataset.off;
  };
  button.addEventListener("click", () => {
    write(SWITCH, read(SWITCH) === "on" ? "off" : "on");
    label();
    if (read(SWITCH) === "on") tone();
  });
  label();
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden || !unseen) return;
  unseen = 0;
  show();
});
