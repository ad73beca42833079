// Scale, model, effort and format; models that cannot reach the scale are not offered.

import { changed, state } from "./state.js";

const AS_TRAINED = 50;

export function startSettings(parts) {
  for (const radio of parts.scales.querySelectorAll("input")) {
    radio.addEventListener("change", () => set("scale", radio.value));
  }
  parts.model.addEventListener("change", () => set("model", parts.model.value));
  parts.format.addEventListener("change", () => set("format", parts.format.value));
  parts.effort.addEventListener("input", () => {
    const value = Number(parts.effort.value);
    set("effort", value === AS_TRAINED ? "" : String(value / 100));
  });
}

function set(name, value) {
  state.settings[name] = value;
  if (name === "scale" && !reaches(model(), value)) state.settings.model = "";
  changed();
}

function model() {
  return state.models.find((each) => each.name === state.settings.model);
}

// Larger scales are reached by a network several times, others by the next larger scale of a network.
function reaches(each, scale) {
  if (!each) return true;
  const wanted = Number(scale);
  const largest = Math.max(...each.scales);
  return wanted <= largest || each.scales.some((one) => Number.isInteger(Math.log(wanted) / Math.log(one)));
}

export function drawSettings(parts) {
  const { model: select, about, effort, effortValue } = parts;
  const names = state.models.filter((each) => reaches(each, state.settings.scale)).map((each) => each.name);
  const shown = [...select.options].slice(1).map((option) => option.value);
  if (names.join() !== shown.join()) {
    select.length = 1;
    for (const name of names) select.add(new Option(name, name));
  }
  select.value = state.settings.model;
  const chosen = model() ?? state.models.find((each) => each.scales.includes(Number(state.settings.scale)));
  about.textContent = model()?.description ?? "";
  const hasMasks = chosen?.has_masks ?? true;
  effort.disabled = !hasMasks;
  if (!hasMasks) state.settings.effort = "";
  const value = state.settings.effort;
  effortValue.textContent = !hasMasks ? "every pixel" : value === "" ? "as trained" : `${Math.round(100 * value)} %`;
  effort.setAttribute("aria-valuetext", effortValue.textContent);
}
