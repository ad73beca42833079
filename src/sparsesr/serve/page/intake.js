// Images come in: dropped, pasted or chosen. Each is sent at once, so that it can be looked at.

import { call, patiently, query } from "./calls.js";
import { changed, state } from "./state.js";
import { toast } from "./toast.js";

const AT_ONCE = 2;
const STILL_SHOWN_MS = 200; // in which the viewer stops asking for parts of an image
let nextKey = 1;
const queue = [];
let active = 0;

export function startIntake(app, input, buttons) {
  for (const button of buttons) button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    addFiles(input.files);
    input.value = "";
  });
  addEventListener("paste", (event) => addFiles(event.clipboardData?.files ?? []));
  let depth = 0;
  addEventListener("dragenter", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    depth += 1;
    app.toggleAttribute("data-dragging", true);
  });
  addEventListener("dragleave", () => {
    depth = Math.max(depth - 1, 0);
    if (depth === 0) app.toggleAttribute("data-dragging", false);
  });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    app.toggleAttribute("data-dragging", false);
    addFiles(event.dataTransfer?.files ?? []);
  });
}

export function addFiles(files) {
  for (const file of files) {
    const item = { key: nextKey++, name: file.name || "image", image: null, job: null, jobKey: "", error: null };
    state.items.push(item);
    state.selected ??= item.key;
    queue.push([item, file]);
  }
  changed();
  pump();
}

function pump() {
  while (active < AT_ONCE && queue.length > 0) {
    active += 1;
    send(...queue.shift()).finally(() => {
      active -= 1;
      pump();
    });
  }
}

async function send(item, file) {
  if (!state.items.includes(item)) return;
  try {
    const path = `/v1/images?${query({ name: item.name })}`;
    const response = await patiently(path, { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" } });
    item.image = await response.json();
    if (!state.items.includes(item)) forget(item);
  } catch (error) {
    item.error = error.message;
    toast(`${item.name}: ${error.message}`);
  }
  changed();
}

// Removes an image from the page and from the server.
export function removeItem(item) {
  state.items = state.items.filter((each) => each !== item);
  if (state.selected === item.key) state.selected = state.items[0]?.key ?? null;
  changed();
  setTimeout(() => forget(item), STILL_SHOWN_MS);
}

function forget(item) {
  const gone = { method: "DELETE" };
  if (item.job) call(`/v1/jobs/${item.job.id}`, gone).catch(() => {});
  if (item.image) call(`/v1/images/${item.image.id}`, gone).catch(() => {});
}
