// Facts of the selected result: time, what was skipped and what that saved.

import { json } from "./calls.js";
import { changed, state } from "./state.js";
import { bytes, duration, milliseconds, percent, size } from "./words.js";

const savings = new Map(); // id of a job -> answer, or null while it is on its way

export function drawFacts(parts) {
  const item = state.items.find((each) => each.key === state.selected);
  const result = item?.job?.result;
  parts.root.hidden = !result;
  if (!result) return;
  const { record } = result;
  if (result.mask && !savings.has(item.job.id)) ask(item.job.id);
  const saved = savings.get(item.job.id);
  const rows = [
    ["Size", size(record.output_width, record.output_height)],
    ["File", `${bytes(result.bytes)}, ${result.type.replace("image/", "").toUpperCase()}`],
    ["Time", duration(record.seconds)],
    ["Model", record.passes.map((pass) => pass.model).join(", ")],
    ["Precision", record.precision],
  ];
  if (result.mask) rows.push(["Computed in full", percent(record.density)]);
  if (saved) rows.push(["Network", milliseconds(saved.ms)], ["Without skipping", `about ${milliseconds(saved.ms_dense)}`], ["Saved", saved.ms_saved > 0 ? `about ${milliseconds(saved.ms_saved)}` : "no time"]);
  const list = [];
  if (result.mask) list.push(big(percent(record.macs_saved), "of the computation skipped"));
  for (const row of rows) list.push(...pair(...row));
  parts.list.replaceChildren(...list);
  parts.notes.textContent = record.notes.join(". ");
  parts.download.href = `/v1/jobs/${item.job.id}/result`;
  parts.download.download = result.name;
}

function big(figure, meaning) {
  const made = document.createElement("dd");
  made.className = "big";
  made.textContent = figure;
  const small = document.createElement("small");
  small.textContent = meaning;
  made.append(small);
  return made;
}

function pair(term, value) {
  const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
  dt.textContent = term;
  dd.textContent = value;
  return [dt, dd];
}

async function ask(id) {
  savings.set(id, null);
  try {
    savings.set(id, await json(`/v1/jobs/${id}/savings`));
    changed();
  } catch {
    // the figures are an extra; the result is there without them
  }
}
