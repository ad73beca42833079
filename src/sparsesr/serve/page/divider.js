// The line between before and after, moved by hand, finger or keys.

const STEP = 0.02;

export function startDivider(divider, box, onMove) {
  let share = 0.5;

  function move(to) {
    share = Math.min(Math.max(to, 0), 1);
    divider.style.left = `${100 * share}%`;
    divider.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    divider.setAttribute("aria-valuetext", `${Math.round(100 * share)} % before`);
    onMove(share);
  }

  divider.addEventListener("pointerdown", (event) => {
    divider.setPointerCapture(event.pointerId);
    divider.focus({ preventScroll: true });
    event.preventDefault();
  });
  divider.addEventListener("pointermove", (event) => {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    const frame = box.getBoundingClientRect();
    move((event.clientX - frame.left) / frame.width);
  });
  divider.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP, PageUp: 0.1, PageDown: -0.1 };
    const ends = { Home: 0, End: 1 };
    if (event.key in steps) move(share + steps[event.key]);
    else if (event.key in ends) move(ends[event.key]);
    else return;
    event.preventDefault();
  });
  move(share);
}
