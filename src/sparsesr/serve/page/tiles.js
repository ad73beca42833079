// Tiles of images at several sizes: fetched when they are seen, a few at a time, and kept within a number of pixels.

import { call } from "./calls.js";

const AT_ONCE = 4;
const MOST_KEPT = 192; // of 512 x 512 pixels: about 200 MB

export class Tiles {
  constructor(onLoad) {
    this.onLoad = onLoad;
    this.kept = new Map(); // path -> ImageBitmap; the least recently used first
    this.loading = new Map();
    this.wanted = [];
  }

  // Between `begin` and `end`, `get` is called for every tile of a frame.
  begin() {
    this.wanted = [];
  }

  get(path) {
    const found = this.kept.get(path);
    if (found) {
      this.kept.delete(path);
      this.kept.set(path, found);
      return found;
    }
    if (found === undefined) this.wanted.push(path);
    return null;
  }

  end() {
    const wanted = new Set(this.wanted);
    for (const [path, control] of this.loading) {
      if (!wanted.has(path)) control.abort();
    }
    this.pump();
  }

  pump() {
    for (const path of this.wanted) {
      if (this.loading.size >= AT_ONCE) return;
      if (!this.loading.has(path) && !this.kept.has(path)) this.load(path);
    }
  }

  async load(path) {
    const control = new AbortController();
    this.loading.set(path, control);
    try {
      const response = await call(path, { signal: control.signal });
      this.keep(path, await createImageBitmap(await response.blob()));
    } catch (error) {
      if (error.name !== "AbortError") this.kept.set(path, null); // do not ask for it again and again
    } finally {
      this.loading.delete(path);
      this.onLoad();
    }
  }

  keep(path, bitmap) {
    this.kept.set(path, bitmap);
    for (const [oldest, old] of this.kept) {
      if (this.kept.size <= MOST_KEPT) break;
      old?.close();
      this.kept.delete(oldest);
    }
  }
}

// Draws what of an image lies in `frame`, the coarsest level first, so that something is there at once.
// `place` maps pixels of the full size to the canvas: x = place.left + place.zoom * pixel.
export function drawLayer(context, tiles, base, view, place, frame) {
  const last = view.levels.length - 1;
  const best = Math.min(Math.max(Math.floor(Math.log2(1 / place.zoom) + 0.01), 0), last);
  const levels = best === last ? [last] : [last, best];
  for (const level of levels) drawLevel(context, tiles, base, view, level, place, frame);
}

function drawLevel(context, tiles, base, view, level, place, frame) {
  const [width, height] = view.levels[level];
  const [fullWidth, fullHeight] = view.levels[0];
  const across = (place.zoom * fullWidth) / width;
  const down = (place.zoom * fullHeight) / height;
  const step = view.tile_px;
  const first = (start, offset, ratio) => Math.max(Math.floor((start - offset) / ratio / step), 0);
  const lastOf = (end, offset, ratio, size) => Math.min(Math.ceil((end - offset) / ratio / step), Math.ceil(size / step));
  context.imageSmoothingEnabled = across < 3;
  context.imageSmoothingQuality = "high";
  for (let row = first(frame.top, place.top, down); row < lastOf(frame.bottom, place.top, down, height); row += 1) {
    for (let column = first(frame.left, place.left, across); column < lastOf(frame.right, place.left, across, width); column += 1) {
      const bitmap = tiles.get(`${base}/${level}/${column}/${row}`);
      if (!bitmap) continue;
      const left = Math.round(place.left + column * step * across);
      const top = Math.round(place.top + row * step * down);
      const right = Math.round(place.left + (column * step + bitmap.width) * across);
      const bottom = Math.round(place.top + (row * step + bitmap.height) * down);
      context.drawImage(bitmap, left, top, right - left, bottom - top);
    }
  }
}
