// A key goes in, what it means on this page comes out.
//
//   /  search        j k  next and previous row      enter  open      esc  close, clear, back
//   ?  this list     t    light or dark              g e    experiments
//
// The arrows of a trace's tree are the tree's own: see tree.js.

export const LISTED = [
  [
    "Everywhere",
    [
      ["?", "this list"],
      ["/", "search, where there is a search"],
      ["t", "light, dark, or as the system is"],
      ["g then e", "all experiments"],
      ["esc", "close, leave the search, or go up a page"],
    ],
  ],
  [
    "In a table",
    [
      ["j, k", "next row, previous row"],
      ["enter", "open the row"],
      ["x", "choose the experiment for a comparison"],
      ["n, p", "next page, previous page"],
    ],
  ],
  [
    "Reading answers side by side",
    [
      ["j, k", "next row, previous row"],
      ["r", "next regression"],
      ["d", "what is another, word by word"],
      ["p, f", "pass, fail: your own verdict"],
      ["n, e", "a note; what should have been expected"],
      ["1, 2", "whose answer is meant"],
    ],
  ],
  [
    "In a trace",
    [
      ["j, k", "the next row's trace, the previous one's, at the same span"],
      ["p, f", "pass, fail: your own verdict on the row"],
      ["n, e", "a note; what should have been expected"],
      ["↑ ↓", "the span above or below"],
      ["← →", "fold and unfold; to the parent, to the first child"],
      ["home, end", "the first span, the last span"],
      ["/", "search the spans"],
    ],
  ],
];

let waitingForSecond = false;
const early = []; // a key that came before its page, and what was typed after it

/**
 * Call the action of each key that is pressed outside a field; `actions` gives the present page's by key. While that
 * `isLoading`, keys without an action wait for `catchUp`.
 */
export function listen(actions, isLoading) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey) return;
    if (document.querySelector("dialog[open]") !== null) return; // its keys are the browser's
    if (
      event.target.closest?.("input, select, textarea") &&
      !(event.key === "Escape" && event.target.type === "search") &&
      event.target.type !== "checkbox"
    )
      return;
    const key = waitingForSecond ? `g ${event.key}` : event.key;
    waitingForSecond = event.key === "g" && !waitingForSecond;
    const action = actions()[key];
    const waits = early.length > 0 || (isLoading() && action === undefined && !waitingForSecond);
    if (waits && event.key.length === 1) {
      if (!event.repeat) early.push(event.key);
      event.preventDefault();
      return;
    }
    if (action === undefined) return;
    if (action(event) !== false) event.preventDefault();
  });
}

/** Press the keys that came while the page was loading, now that it is there. */
export function catchUp() {
  if (early.length > 0) waitingForSecond = false;
  for (const key of early.splice(0)) {
    const at = document.activeElement;
    if (at.type === "search") {
      at.setRangeText(key, at.selectionStart, at.selectionEnd, "end");
      at.dispatchEvent(new Event("input", { bubbles: true }));
    } else at.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  }
}

/** Move the focus by so many among the elements that a selector finds. */
export function step(selector, by) {
  const found = [...document.querySelectorAll(selector)];
  if (found.length === 0) return;
  const row = document.activeElement?.closest("tr");
  const at = found.findIndex(
    (each) => each === document.activeElement || (row !== null && row !== undefined && row.contains(each)),
  );
  const next = at === -1 ? (by > 0 ? 0 : found.length - 1) : Math.min(found.length - 1, Math.max(0, at + by));
  found[next].focus();
  found[next].closest("tr")?.scrollIntoView({ block: "nearest" });
}
