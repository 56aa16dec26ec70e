// A recorded text goes in, an element comes out that shows it as what it is: words, markdown, JSON, a traceback.

import { h, node } from "./dom.js";
import { isContainer, parse, parseAt } from "./json.js";
import { jsonTree } from "./jsontree.js";
import { longText } from "./longtext.js";
import { markdown, markdownEnd } from "./markdown.js";
import { isPicture, picture } from "./picture.js";

// JSON in a text that is shorter is read as easily as it stands.
const JSON_CHARACTERS = 120;
// How many of them a text is looked through for.
const MOST_JSON = 50;
// Carets that point at a place in the line above, or the line that begins Python's account of an error.
const TRACEBACK = /^[ \t]+[~^]+[ \t]*$|^Traceback \(most recent call last\):/m;
const STARTS = /^[ \t]*[[{]/gm;
const MARKDOWN = {
  draw: (text) => h("div", { class: "piece markdown" }, markdown(text)),
  ends: markdownEnd,
  atOnce: 5,
};

/** The text; `form` is "text" or "markdown"; `folded`: how many characters are seen of a longer one. */
export function words(text, form = "text", { folded } = {}) {
  if (isPicture(text)) return picture(text);
  if (isTraceback(text)) return longText(text, { className: "code unwrapped", folded });
  const whole = text.length >= JSON_CHARACTERS ? parse(text) : null;
  if (whole !== null && isContainer(whole) && !whole.cut) return jsonTree(whole);
  if (form === "markdown") return longText(text, { className: "prose", folded, pieces: MARKDOWN });
  const parts = parted(text);
  if (parts.length === 1) return longText(text, { folded });
  const box = node(h("div", { class: "parts" }));
  box.append(
    ...parts.map((part) => (typeof part === "string" ? longText(part, { folded }) : jsonTree(part, { folded: true }))),
  );
  return box;
}

/** Whether its columns mean something. */
export function isTraceback(text) {
  return TRACEBACK.test(text);
}

/** The text in parts: the values of JSON that begin a line of it, and what is between them. */
function parted(text) {
  const parts = [];
  let from = 0;
  let read = 0;
  for (const { 0: start, index } of text.matchAll(STARTS)) {
    const at = index + start.length - 1;
    // What was read in vain is not read again.
    if (at < read || parts.length > 2 * MOST_JSON) continue;
    const found = parseAt(text, at);
    read = found.to;
    if (found.node === null || found.to - at < JSON_CHARACTERS) continue;
    const before = text.slice(from, index).replace(/\n$/, "");
    if (before.trim() !== "") parts.push(before);
    parts.push(found.node);
    from = text[found.to] === "\n" ? found.to + 1 : found.to;
  }
  const rest = text.slice(from);
  if (rest.trim() !== "" || parts.length === 0) parts.push(rest);
  return parts;
}
