// A short message at the bottom of the page.

const SHOWN_MS = 6000;
let timer = 0;

export function toast(message) {
  const place = document.getElementById("toast");
  place.textContent = message;
  place.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => {
    place.hidden = true;
  }, SHOWN_MS);
}
