// The reader's choice of light or dark goes in and is kept; until one is made, the system's counts.

const KEY = "llmobs-trace-theme";
const THEMES = ["auto", "light", "dark"];

/** The choice: "auto", "light" or "dark". */
export function chosen() {
  try {
    const kept = localStorage.getItem(KEY);
    return THEMES.includes(kept) ? kept : "auto";
  } catch {
    return document.documentElement.dataset.theme ?? "auto"; // storage is closed to this page
  }
}

/** Show the page as chosen. */
export function apply(theme = chosen()) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** Take the next of the three, and keep it. */
export function next() {
  const theme = THEMES[(THEMES.indexOf(chosen()) + 1) % THEMES.length];
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // It holds until the page is left.
  }
  apply(theme);
  return theme;
}
