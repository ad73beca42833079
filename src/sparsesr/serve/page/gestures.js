// Mouse, touch and keys move a camera.

const STEP = 1.25;
const PAN_PX = 60;

export function startGestures(canvas, camera, actions) {
  const ratio = () => devicePixelRatio || 1;
  const pointers = new Map();
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * ratio(), (event.clientY - box.top) * ratio()];
  };
  const spread = () => {
    const [a, b] = [...pointers.values()];
    return { distance: Math.hypot(a[0] - b[0], a[1] - b[1]) || 1, x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2 };
  };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    const [x, y] = at(event);
    if (pointers.size === 1) {
      const [oldX, oldY] = pointers.get(event.pointerId);
      camera.pan(x - oldX, y - oldY);
      pointers.set(event.pointerId, [x, y]);
    } else if (pointers.size === 2) {
      const before = spread();
      pointers.set(event.pointerId, [x, y]);
      const after = spread();
      camera.pan(after.x - before.x, after.y - before.y);
      camera.zoomAt((camera.zoom * after.distance) / before.distance, after.x, after.y);
    }
    actions.moved();
  });
  for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) {
    canvas.addEventListener(kind, (event) => pointers.delete(event.pointerId));
  }
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 20 * event.deltaY : event.deltaY;
      camera.zoomAt(camera.zoom * Math.exp(-lines / 400), ...at(event));
      actions.moved();
    },
    { passive: false },
  );
  canvas.addEventListener("dblclick", (event) => {
    if (camera.isFitted) actions.one(...at(event));
    else actions.fit();
  });
  canvas.addEventListener("keydown", (event) => {
    const action = keys(camera, actions)[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
    actions.moved();
  });
}

function keys(camera, actions) {
  const step = PAN_PX * (devicePixelRatio || 1);
  return {
    ArrowLeft: () => camera.pan(step, 0),
    ArrowRight: () => camera.pan(-step, 0),
    ArrowUp: () => camera.pan(0, step),
    ArrowDown: () => camera.pan(0, -step),
    "+": () => camera.zoomAt(camera.zoom * STEP),
    "=": () => camera.zoomAt(camera.zoom * STEP),
    "-": () => camera.zoomAt(camera.zoom / STEP),
    0: () => actions.fit(),
    1: () => actions.one(),
    m: () => actions.mask(),
    M: () => actions.mask(),
  };
}

export function zoomBy(camera, direction) {
  camera.zoomAt(direction > 0 ? camera.zoom * STEP : camera.zoom / STEP);
}
