// Light or dark: as the system, until the button says otherwise.

const KEY = "sparsesr-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

function chosen() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function apply() {
  document.documentElement.dataset.theme = chosen() ?? (system.matches ? "dark" : "light");
}

export function startTheme(button) {
  apply();
  system.addEventListener("change", apply);
  button.addEventListener("click", () => {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // private windows may not store anything; the choice then lasts until the page is closed
    }
    document.documentElement.dataset.theme = next;
  });
}
