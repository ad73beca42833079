// Jobs: started for all images that have no current result, and watched over one stream of events.

import { call, patiently, query } from "./calls.js";
import { changed, isBusy, isCurrent, settingsKey, state } from "./state.js";
import { toast } from "./toast.js";

const KEEP_MS = 240_000;
let source = null;
let watched = "";

export function toDo() {
  return state.items.filter((item) => item.image && !isBusy(item) && !isCurrent(item));
}

export async function startAll() {
  const key = settingsKey();
  const wishes = query(state.settings);
  for (const item of toDo()) {
    const before = item.job;
    try {
      item.job = await startOne(item, wishes);
      item.jobKey = key;
      item.error = null;
      if (before) call(`/v1/jobs/${before.id}`, { method: "DELETE" }).catch(() => {});
    } catch (error) {
      item.error = error.message;
      toast(`${item.name}: ${error.message}`);
    }
    watch();
    changed();
  }
}

async function startOne(item, wishes) {
  const path = `/v1/jobs?image=${encodeURIComponent(item.image.id)}&${wishes}`;
  return (await patiently(path, { method: "POST" })).json();
}

export async function cancel(item) {
  const job = item.job;
  item.job = null;
  changed();
  await call(`/v1/jobs/${job.id}`, { method: "DELETE" }).catch(() => {});
}

// One stream for all jobs that are not over: browsers open few connections to a server.
function watch() {
  const ids = state.items.filter(isBusy).map((item) => item.job.id);
  const wanted = ids.join(" ");
  if (wanted === watched) return;
  source?.close();
  watched = wanted;
  source = null;
  if (ids.length === 0) return;
  source = new EventSource(`/v1/events?${ids.map((id) => `job=${id}`).join("&")}`);
  source.addEventListener("job", (event) => update(JSON.parse(event.data)));
  source.addEventListener("gone", (event) => lose(JSON.parse(event.data).id));
  source.addEventListener("end", () => {
    source?.close();
    source = null;
    watched = "";
  });
}

function update(job) {
  const item = state.items.find((each) => each.job?.id === job.id);
  if (!item) return;
  item.job = job;
  if (job.error) {
    item.error = job.error.message;
    item.job = null;
    toast(`${item.name}: ${job.error.message}`);
  }
  changed();
}

function lose(id) {
  const item = state.items.find((each) => each.job?.id === id);
  if (!item) return;
  item.job = null;
  changed();
}

// The server drops what nobody asks for; while the page is open, it asks.
export function keepAlive() {
  setInterval(() => {
    for (const item of state.items) {
      if (item.image) stillThere(item, `/v1/images/${item.image.id}`);
      if (item.job && !isBusy(item)) stillThere(item, `/v1/jobs/${item.job.id}`);
    }
  }, KEEP_MS);
}

async function stillThere(item, path) {
  try {
    await call(path);
  } catch (error) {
    if (error.status !== 404) return;
    item.error = "expired: add it again";
    item.image = null;
    item.job = null;
    changed();
  }
}

// Leaving the page ends what nobody will see.
export function cancelOnLeave() {
  addEventListener("pagehide", (event) => {
    if (event.persisted) return;
    for (const item of state.items.filter(isBusy)) {
      fetch(`/v1/jobs/${item.job.id}`, { method: "DELETE", keepalive: true });
    }
  });
}
