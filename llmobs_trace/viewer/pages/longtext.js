// A text of any length goes in, an element comes out that shows its beginning, and all of it when it is asked to.

import { h, node, patch } from "./dom.js";
import { characters, number } from "./format.js";

const FOLDED_CHARACTERS = 2000;
const FOLDED_LINES = 30;
// A browser lays out this much at once without a hitch; more comes a piece at a time, off screen unrendered.
const PIECE_CHARACTERS = 20_000;
const PIECES_AT_ONCE = 20;

// How a piece is drawn, where one ends that begins at a place, and how many are drawn at once.
const PLAIN = {
  draw: (text) => h("div", { class: "piece", dir: "auto" }, text),
  ends: pieceEnd,
  atOnce: PIECES_AT_ONCE,
};

/**
 * The text in an element of that class; `rest` loads the whole of it where this is only its beginning. `pieces` are
 * drawn as `PLAIN` does unless it says how.
 */
export function longText(
  whole,
  { className = "prose", rest = null, folded = FOLDED_CHARACTERS, pieces = PLAIN } = {},
) {
  const box = node(h("div", { class: `longtext ${className}` }));
  if (className.includes("unwrapped")) {
    // What may be wider than its place is scrolled to, by keys as well.
    for (const [name, value] of [["tabindex", "0"], ["role", "group"], ["aria-label", "Code"]]) box.setAttribute(name, value);
  }
  const shown = beginning(whole, folded);
  if (shown.length < whole.length || rest !== null) {
    const size = rest === null ? `all ${characters(whole.length)}` : "the whole text";
    patch(box, [
      pieces.draw(`${shown}…`),
      h(
        "button",
        {
          class: "more",
          type: "button",
          on: { click: () => (rest === null ? showAll(box, whole, pieces) : rest()) },
        },
        `Show ${size}`,
      ),
    ]);
  } else patch(box, [pieces.draw(whole)]);
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

function showAll(box, whole, pieces) {
  let from = 0;
  const drawn = [];
  const step = () => {
    for (let count = 0; count < pieces.atOnce && from < whole.length; count += 1) {
      const end = pieces.ends(whole, from, PIECE_CHARACTERS);
      drawn.push(pieces.draw(whole.slice(from, end).replace(/\n$/, "")));
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

function pieceEnd(whole, from, size) {
  const end = from + size;
  if (end >= whole.length) return whole.length;
  const line = whole.lastIndexOf("\n", end);
  if (line > from) return line + 1;
  const unit = whole.charCodeAt(end);
  return unit >= 0xdc00 && unit <= 0xdfff ? end - 1 : end; // not between the halves of a pair
}
