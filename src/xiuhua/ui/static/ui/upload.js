// Photos are sent one by one as soon as they are chosen, so that a refused form loses none of them.
import { csrf, icon, make, say } from "./strings.js";

function send(url, file, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("X-CSRFToken", csrf());
    request.setRequestHeader("Accept", "application/json");
    request.upload.addEventListener("progress", (event) => event.lengthComputable && progress(event.loaded / event.total));
    request.addEventListener("load", () => {
      let answer = {};
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        // an answer that is not JSON is told by its status
      }
      if (request.status < 300 && answer.id) resolve(answer);
      else reject(new Error(answer.error ?? answer.detail ?? String(request.status)));
    });
    request.addEventListener("error", () => reject(new Error(say("offline"))));
    const body = new FormData();
    body.append("file", file, file.name);
    request.send(body);
  });
}

export function upload(box) {
  const url = box.dataset.upload;
  const input = box.querySelector("input[type=file]");
  const list = box.querySelector(".x-upload-list");
  const most = Number(box.dataset.max) || Infinity;
  const said = make("p", { className: "x-upload-said" });
  said.setAttribute("role", "alert");
  box.append(said);
  box.addEventListener("click", (event) => {
    const button = event.target.closest("[data-remove]");
    if (!button) return;
    event.preventDefault();
    button.closest("li").remove();
    input.focus();
  });
  if (!url) return;

  const add = async (file) => {
    if (list.children.length >= most) return void (said.textContent = say("tooMany", { n: most }));
    if (!file.type.startsWith("image/")) return void (said.textContent = `${file.name}: ${say("notImage")}`);
    const preview = URL.createObjectURL(file);
    const bar = make("progress", { className: "x-bar", max: 1, value: 0 });
    bar.setAttribute("aria-label", say("uploading"));
    const image = make("img", { src: preview, alt: file.name });
    const item = make("li", { className: "x-upload-item is-busy" }, image, bar);
    list.append(item);
    try {
      const answer = await send(url, file, (part) => (bar.value = part));
      const remove = make("button", { type: "button", className: "x-iconbtn", dataset: { remove: "" } }, icon("x"));
      remove.setAttribute("aria-label", say("remove", { name: file.name }));
      item.classList.remove("is-busy");
      bar.replaceWith(make("input", { type: "hidden", name: box.dataset.name, value: answer.id }), remove);
      box.dispatchEvent(new CustomEvent("uploaded", { bubbles: true, detail: answer }));
    } catch (error) {
      item.remove();
      URL.revokeObjectURL(preview);
      said.textContent = say("uploadFailed", { name: file.name, why: error.message });
    }
  };
  const addAll = async (files) => {
    said.textContent = "";
    for (const file of files) await add(file);
  };
  input.addEventListener("change", async () => {
    const files = [...input.files];
    input.value = "";
    await addAll(files);
  });
  box.addEventListener("dragover", (event) => event.preventDefault());
  box.addEventListener("drop", (event) => {
    event.preventDefault();
    addAll([...event.dataTransfer.files]);
  });
}
