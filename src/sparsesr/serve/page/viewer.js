// The comparison: before at the left of the line, after at its right, the mask over both.

import { Camera } from "./camera.js";
import { startDivider } from "./divider.js";
import { startGestures, zoomBy } from "./gestures.js";
import { MOST_PIXELS, Preview } from "./preview.js";
import { isBusy, isCurrent, state } from "./state.js";
import { drawLayer, Tiles } from "./tiles.js";
import { percent } from "./words.js";

export class Viewer {
  constructor(root) {
    const find = (id) => root.querySelector(`#${id}`);
    this.canvas = find("canvas");
    this.context = this.canvas.getContext("2d");
    this.parts = { zoom: find("zoom"), mask: find("mask"), tag: find("after-tag") };
    this.camera = new Camera();
    this.tiles = new Tiles(() => this.redraw());
    this.preview = new Preview(() => this.redraw());
    this.split = 0.5;
    this.isMaskShown = false;
    this.shownKey = null;
    const actions = { moved: () => this.redraw(), fit: () => this.fit(), one: (x, y) => this.one(x, y), mask: () => this.toggleMask() };
    startGestures(this.canvas, this.camera, actions);
    startDivider(find("divider"), root, (share) => {
      this.split = share;
      this.redraw();
    });
    for (const [id, action] of [["zoom-in", () => zoomBy(this.camera, 1)], ["zoom-out", () => zoomBy(this.camera, -1)], ["fit", actions.fit], ["one", () => actions.one()], ["mask", actions.mask]]) {
      find(id).addEventListener("click", () => {
        action();
        this.redraw();
      });
    }
    new ResizeObserver(() => this.resize()).observe(this.canvas);
  }

  get item() {
    return state.items.find((each) => each.key === state.selected && each.image) ?? null;
  }

  get scale() {
    const { width } = this.item.image;
    const result = this.item.job?.result?.record;
    return result ? result.output_width / width : Number(state.settings.scale);
  }

  resize() {
    const ratio = devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.canvas;
    if (clientWidth === 0) return;
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    this.camera.resize(this.canvas.width, this.canvas.height);
    this.draw();
  }

  fit() {
    this.camera.fit();
    this.redraw();
  }

  one(x, y) {
    if (this.item) this.camera.zoomAt(this.scale, x, y);
    this.redraw();
  }

  toggleMask() {
    if (this.parts.mask.disabled) return;
    this.isMaskShown = !this.isMaskShown;
    this.parts.mask.setAttribute("aria-pressed", String(this.isMaskShown));
    this.redraw();
  }

  redraw() {
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      this.draw();
    });
  }

  draw() {
    const item = this.item;
    const { context, canvas } = this;
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!item) {
      this.shownKey = null;
      this.preview.drop();
      return;
    }
    if (this.shownKey !== item.key) {
      this.shownKey = item.key;
      this.preview.drop();
      this.camera.show(item.image.width, item.image.height);
    }
    this.parts.mask.disabled = !item.job?.result?.mask;
    const middle = Math.round(this.split * canvas.width);
    this.tiles.begin();
    this.clipped(0, middle, (frame) => this.drawInput(item, frame));
    this.clipped(middle, canvas.width, (frame) => this.drawAfter(item, frame));
    if (this.isMaskShown && item.job?.result?.mask) this.clipped(0, canvas.width, (frame) => this.drawMask(item, frame));
    this.tiles.end();
    this.parts.zoom.textContent = percent(this.camera.zoom / this.scale);
    canvas.dataset.drawn = String(Number(canvas.dataset.drawn ?? 0) + 1);
    canvas.dataset.loading = String(this.tiles.wanted.length);
  }

  clipped(left, right, draw) {
    const { context, canvas } = this;
    if (right <= left) return;
    context.save();
    context.beginPath();
    context.rect(left, 0, right - left, canvas.height);
    context.clip();
    draw({ left, right, top: 0, bottom: canvas.height });
    context.restore();
  }

  place(scale) {
    return { left: this.camera.left, top: this.camera.top, zoom: this.camera.zoom / scale };
  }

  drawInput(item, frame) {
    drawLayer(this.context, this.tiles, `/v1/images/${item.image.id}/tiles`, item.image.view, this.place(1), frame);
  }

  drawAfter(item, frame) {
    const view = item.job?.result?.view;
    if (view) drawLayer(this.context, this.tiles, `/v1/jobs/${item.job.id}/tiles`, view, this.place(this.scale), frame);
    else this.drawInput(item, frame);
    if (isCurrent(item)) this.preview.drop();
    else if (isBusy(item)) this.preview.stop();
    else this.preview.want(item, this.camera);
    const isPreviewed = !isCurrent(item) && this.preview.draw(this.context, item, this.camera);
    this.parts.tag.textContent = this.tagFor(item, isPreviewed);
  }

  tagFor(item, isPreviewed) {
    if (isCurrent(item)) return "After";
    if (isPreviewed) return "Preview";
    const part = this.camera.visible(0);
    if ((part.right - part.left) * (part.bottom - part.top) > MOST_PIXELS) return "Zoom in for a preview";
    return isBusy(item) ? "Working…" : "After";
  }

  drawMask(item, frame) {
    drawLayer(this.context, this.tiles, `/v1/jobs/${item.job.id}/mask`, item.job.result.mask, this.place(1), frame);
  }
}
