// A text of any length goes in, an element comes out that shows its beginning, and all of it when it is asked to.

import { h, node, patch } from "./dom.js";
import { characters, number } from "./format.js";

const FOLDED_CHARACTERS = 2000;
const FOLDED_LINES = 30;
// A browser lays out this much at once without a hitch; more comes a piece at a time, off screen unrendered.
const PIECE_CHARACTERS = 20_000;
const PIECES_AT_ONCE = 20;

/** The text in an element of that class; `rest` loads the whole of it where this is only its beginning. */
export function longText(whole, { className = "prose", rest = null, folded = FOLDED_CHARACTERS } = {}) {
  const box = node(h("div", { class: `longtext ${className}` }));
  const shown = beginning(whole, folded);
  if (shown.length < whole.length || rest !== null) {
    const size = rest === null ? `all ${characters(whole.length)}` : "the whole text";
    patch(box, [
      h("div", { class: "piece", dir: "auto" }, `${shown}…`),
      h(
        "button",
        {
          class: "more",
          type: "button",
          on: { click: () => (rest === null ? showAll(box, whole) : rest()) },
        },
        `Show ${size}`,
      ),
    ]);
  } else patch(box, [h("div", { class: "piece", dir: "auto" }, whole)]);
  return box;
}

function beginning(whole, folded) {
  let end = Math.min(whole.length, folded);
  let lines = 0;
  for (let at = whole.indexOf("\n"); at !== -1 && at < end; at = whole.indexOf("\n", at + 1)) {
    lines += 1;
    if (lines === FOLDED_LINES) end = at;
  }
  // A few more lines are no reason to fold.
  return whole.length - end < 200 && !whole.slice(end).includes("\n\n\n") ? whole : whole.slice(0, end);
}

function showAll(box, whole) {
  let from = 0;
  const drawn = [];
  const step = () => {
    for (let count = 0; count < PIECES_AT_ONCE && from < whole.length; count += 1) {
      const end = pieceEnd(whole, from);
      drawn.push(h("div", { class: "piece", dir: "auto" }, whole.slice(from, end).replace(/\n$/, "")));
      from = end;
    }
    for (const each of drawn.splice(0)) box.insertBefore(node(each), box.lastChild);
    const button = box.lastChild;
    if (from < whole.length) {
      button.textContent = `Show more: ${number(from)} of ${characters(whole.length)} are shown`;
      button.onclick = step;
    } else button.remove();
  };
  const button = node(h("button", { class: "more", type: "button" }));
  box.replaceChildren(button);
  step();
  box.firstChild.tabIndex = -1;
  box.firstChild.focus({ preventScroll: true });
}

function pieceEnd(whole, from) {
  const end = from + PIECE_CHARACTERS;
  if (end >= whole.length) return whole.length;
  const line = whole.lastIndexOf("\n", end);
  if (line > from) return line + 1;
  const unit = whole.charCodeAt(end);
  return unit >= 0xdc00 && unit <= 0xdfff ? end - 1 : end; // not between the halves of a pair
}
