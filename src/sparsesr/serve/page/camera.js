// Which part of an image is seen: its centre in pixels of the input, and device pixels per pixel of the input.

const CLOSEST = 48;

export class Camera {
  constructor() {
    this.width = 1; // of the image
    this.height = 1;
    this.view = { width: 1, height: 1 }; // of the canvas, in device pixels
    this.isFitted = true;
    this.zoom = 1;
    this.x = 0.5;
    this.y = 0.5;
  }

  show(width, height) {
    this.width = width;
    this.height = height;
    this.fit();
  }

  resize(width, height) {
    this.view = { width, height };
    if (this.isFitted) this.fit();
    else this.settle();
  }

  get fittingZoom() {
    return 0.94 * Math.min(this.view.width / this.width, this.view.height / this.height);
  }

  fit() {
    this.isFitted = true;
    this.zoom = this.fittingZoom;
    this.x = this.width / 2;
    this.y = this.height / 2;
  }

  // Keeps the point of the image below (px, py) of the canvas where it is.
  zoomAt(zoom, px = this.view.width / 2, py = this.view.height / 2) {
    const [x, y] = [this.x + (px - this.view.width / 2) / this.zoom, this.y + (py - this.view.height / 2) / this.zoom];
    this.zoom = Math.min(Math.max(zoom, Math.min(this.fittingZoom, 1) / 2), CLOSEST);
    this.x = x - (px - this.view.width / 2) / this.zoom;
    this.y = y - (py - this.view.height / 2) / this.zoom;
    this.isFitted = false;
    this.settle();
  }

  pan(dx, dy) {
    this.x -= dx / this.zoom;
    this.y -= dy / this.zoom;
    this.isFitted = false;
    this.settle();
  }

  // The middle of the canvas always lies in the image.
  settle() {
    this.x = Math.min(Math.max(this.x, 0), this.width);
    this.y = Math.min(Math.max(this.y, 0), this.height);
  }

  get left() {
    return this.view.width / 2 - this.x * this.zoom;
  }

  get top() {
    return this.view.height / 2 - this.y * this.zoom;
  }

  // The visible rectangle in whole pixels of the image, and `margin` more on each side.
  visible(margin) {
    const clip = (value, most) => Math.min(Math.max(value, 0), most);
    const left = clip(Math.floor(-this.left / this.zoom) - margin, this.width);
    const top = clip(Math.floor(-this.top / this.zoom) - margin, this.height);
    const right = clip(Math.ceil((this.view.width - this.left) / this.zoom) + margin, this.width);
    const bottom = clip(Math.ceil((this.view.height - this.top) / this.zoom) + margin, this.height);
    return { left, top, right, bottom };
  }
}
