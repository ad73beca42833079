// Puts the parts of the page together.

import { json, onTokenNeeded, openSession } from "./calls.js";
import { drawCards } from "./cards.js";
import { drawFacts } from "./facts.js";
import { startIntake } from "./intake.js";
import { cancelOnLeave, keepAlive, startAll, toDo } from "./jobs.js";
import { drawSettings, startSettings } from "./settings.js";
import { changed, isBusy, onChange, state } from "./state.js";
import { startTheme } from "./theme.js";
import { toast } from "./toast.js";
import { askForToken } from "./token.js";
import { Viewer } from "./viewer.js";

const find = (id) => document.getElementById(id);
const app = find("app");

startTheme(find("theme"));
onTokenNeeded(() => askForToken(find("token-dialog"), find("token"), find("token-hint")));
const settings = { scales: find("scales"), model: find("model"), about: find("model-about"), effort: find("effort"), effortValue: find("effort-value"), format: find("format") };
const facts = { root: find("facts"), list: find("facts-list"), notes: find("facts-notes"), download: find("download") };
startIntake(app, find("files"), [find("choose"), find("add")]);
startSettings(settings);
cancelOnLeave();
keepAlive();
const viewer = new Viewer(find("viewer"));
find("go").addEventListener("click", startAll);

onChange(() => {
  app.toggleAttribute("data-empty", state.items.length === 0);
  drawCards(find("cards"));
  drawSettings(settings);
  drawFacts(facts);
  drawGo();
  drawAll();
  viewer.redraw();
});

function drawGo() {
  const button = find("go");
  const count = toDo().length;
  const busy = state.items.some(isBusy);
  button.disabled = count === 0;
  button.textContent = count > 1 ? `Enlarge ${count} images` : busy && count === 0 ? "Working…" : "Enlarge";
}

function drawAll() {
  const done = state.items.filter((item) => item.job?.state === "done");
  const link = find("all");
  link.hidden = done.length < 2;
  link.href = `/v1/results.zip?${done.map((item) => `job=${item.job.id}`).join("&")}`;
  link.textContent = `Download ${done.length} as zip`;
}

async function start() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) {
    history.replaceState(null, "", location.pathname); // not into bookmarks
    await openSession(token);
  }
  try {
    state.models = await json("/v1/models");
  } catch (error) {
    toast(error.message);
  }
  document.documentElement.dataset.ready = "true";
  changed();
}

start();
