// What the page knows: images, which one is selected, and the settings. Listeners hear of every change.

export const state = { items: [], selected: null, settings: { scale: "2", model: "", effort: "", format: "" }, models: [] };

const listeners = new Set();

export function onChange(listener) {
  listeners.add(listener);
}

let isPending = false;

// Listeners run once per frame, however often this is called.
export function changed() {
  if (isPending) return;
  isPending = true;
  requestAnimationFrame(() => {
    isPending = false;
    for (const listener of listeners) listener();
  });
}

export function settingsKey(settings = state.settings) {
  return JSON.stringify(settings);
}

// True if the result shows what the settings say.
export function isCurrent(item) {
  return item.job?.state === "done" && item.jobKey === settingsKey();
}

export function isBusy(item) {
  return item.job != null && (item.job.state === "waiting" || item.job.state === "running");
}
