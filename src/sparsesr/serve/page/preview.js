// A preview of the visible part: with the least effort first, which is quick, then with the chosen one.

import { call, query } from "./calls.js";
import { state } from "./state.js";

const PAUSE_MS = 120; // after the last movement
const MARGIN_PX = 12; // of context around the visible part
export const MOST_PIXELS = 1_000_000;

export class Preview {
  constructor(onLoad) {
    this.onLoad = onLoad;
    this.shown = null; // { key, part, bitmap, effort }
    this.key = "";
    this.timer = 0;
    this.control = null;
  }

  // Called for every frame: asks for a preview once nothing has changed for a moment.
  want(item, camera) {
    const part = camera.visible(MARGIN_PX);
    const pixels = (part.right - part.left) * (part.bottom - part.top);
    const fits = pixels > 0 && pixels <= MOST_PIXELS;
    const { scale, model, effort } = state.settings;
    const key = fits ? JSON.stringify([item.image.id, part, scale, model, effort]) : "";
    if (key === this.key) return;
    this.stop();
    this.key = key;
    if (key) this.timer = setTimeout(() => this.load(item, part, key), PAUSE_MS);
  }

  stop() {
    clearTimeout(this.timer);
    this.control?.abort();
    this.key = "";
  }

  drop() {
    this.stop();
    this.shown?.bitmap.close();
    this.shown = null;
  }

  async load(item, part, key) {
    const control = new AbortController();
    this.control = control;
    const { scale, model, effort } = state.settings;
    const hasMasks = state.models.find((each) => each.name === model)?.has_masks ?? true;
    const efforts = hasMasks && !this.covers(item, part) ? ["0", effort] : [effort];
    try {
      for (const each of new Set(efforts)) {
        const path = `/v1/images/${item.image.id}/preview?${query({ ...part, scale, model, effort: each })}`;
        const response = await call(path, { signal: control.signal });
        const bitmap = await createImageBitmap(await response.blob());
        if (control.signal.aborted) return bitmap.close();
        this.shown?.bitmap.close();
        this.shown = { key, image: item.image.id, part, bitmap, effort: each };
        this.onLoad();
      }
    } catch (error) {
      if (error.name !== "AbortError" && error.status !== 429) console.warn(error.message);
      if (error.status === 429) this.key = "";
    }
  }

  // True if the preview that is shown covers the part already.
  covers(item, part) {
    const shown = this.shown;
    if (shown?.image !== item.image.id) return false;
    const { left, top, right, bottom } = shown.part;
    return left <= part.left && top <= part.top && right >= part.right && bottom >= part.bottom;
  }

  draw(context, item, camera) {
    if (this.shown?.image !== item.image.id) return false;
    const { part, bitmap } = this.shown;
    const [width, height] = [part.right - part.left, part.bottom - part.top];
    context.imageSmoothingEnabled = (camera.zoom * width) / bitmap.width < 3;
    context.drawImage(
      bitmap,
      Math.round(camera.left + part.left * camera.zoom),
      Math.round(camera.top + part.top * camera.zoom),
      Math.round(width * camera.zoom),
      Math.round(height * camera.zoom),
    );
    return true;
  }
}
