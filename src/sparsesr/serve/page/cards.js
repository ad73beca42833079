// The list of images with their progress.

import { removeItem } from "./intake.js";
import { cancel } from "./jobs.js";
import { changed, isBusy, isCurrent, state } from "./state.js";
import { bytes, duration, size } from "./words.js";

const made = new Map();

export function drawCards(list) {
  const keys = new Set(state.items.map((item) => item.key));
  for (const [key, card] of made) {
    if (!keys.has(key)) {
      card.root.remove();
      made.delete(key);
    }
  }
  for (const item of state.items) {
    if (!made.has(item.key)) {
      made.set(item.key, makeCard(item));
      list.append(made.get(item.key).root);
    }
    fill(made.get(item.key), item);
  }
}

function element(tag, className, parent) {
  const made = document.createElement(tag);
  made.className = className;
  parent?.append(made);
  return made;
}

function makeCard(item) {
  const root = element("li", "card");
  const pick = element("button", "pick", root);
  pick.type = "button";
  pick.addEventListener("click", () => {
    state.selected = item.key;
    changed();
  });
  const thumb = element("img", "thumb", pick);
  thumb.alt = "";
  const text = element("span", "text", pick);
  const card = { root, pick, thumb, name: element("span", "name", text), about: element("span", "about", text), bar: element("progress", "", text) };
  card.bar.max = 1;
  const remove = element("button", "remove", root);
  remove.type = "button";
  remove.textContent = "×";
  remove.addEventListener("click", () => (isBusy(item) ? cancel(item) : removeItem(item)));
  card.remove = remove;
  return card;
}

function fill(card, item) {
  const busy = isBusy(item);
  card.root.setAttribute("aria-current", String(item.key === state.selected));
  card.root.dataset.state = item.job?.state ?? (item.image ? "ready" : item.error ? "failed" : "reading");
  card.name.textContent = item.name;
  card.name.title = item.name;
  card.about.textContent = about(item);
  card.about.className = `about${item.error && !item.job ? " bad" : isCurrent(item) ? " good" : ""}`;
  card.bar.hidden = !busy;
  card.bar.value = item.job?.progress ?? 0;
  card.bar.setAttribute("aria-label", `Progress of ${item.name}`);
  card.remove.setAttribute("aria-label", busy ? `Cancel ${item.name}` : `Remove ${item.name}`);
  card.remove.title = busy ? "Cancel" : "Remove";
  const level = item.image && item.image.view.levels.length - 1;
  const source = item.image ? `/v1/images/${item.image.id}/tiles/${level}/0/0` : "";
  if (source && card.thumb.getAttribute("src") !== source) card.thumb.src = source;
}

function about(item) {
  if (item.error && !item.job) return item.error;
  if (!item.image) return "opening…";
  const own = size(item.image.width, item.image.height);
  if (!item.job) return own;
  const { state: now, before, seconds_left: left, result } = item.job;
  if (now === "waiting") return before === 1 ? "next in line" : `${before} before it`;
  if (now === "running") return left == null ? "working…" : `about ${duration(left)} left`;
  if (now !== "done") return now;
  const { output_width: width, output_height: height } = result.record;
  return isCurrent(item) ? `${size(width, height)}, ${bytes(result.bytes)}` : `${size(width, height)}, other settings`;
}
