// A recorded value's JSON text goes in, one short line of it comes out: its words before its brackets.

import { h } from "./dom.js";
import { asAnswer, asAsked, asChat, asMessage, wordsOf } from "./chat.js";
import { brief, isContainer, parse, text } from "./json.js";

const CHARACTERS = 240;

/** The line a table shows of a value: a string's text, a chat's last words, an only value, else short JSON. */
export function line(source) {
  if (source === null || source === undefined) return "";
  const read = parse(source);
  if (read === null) return ended(source, false);
  return ended(words(read) ?? brief(read, CHARACTERS), read.cut === true);
}

/** What goes on has a sign that it does. */
function ended(text, goesOn) {
  if (text.length > CHARACTERS) return `${text.slice(0, CHARACTERS)}…`;
  return goesOn && text !== "" && !text.endsWith("…") ? `${text}…` : text;
}

function words(read) {
  if (read.type === "string") return read.value;
  const chat = asChat(read);
  if (chat !== null) return wordsOf(chat[chat.length - 1]) || null;
  const message = asMessage(read);
  if (message !== null) return wordsOf(message) || null;
  // What was asked last, or the first of the answers.
  const asked = asAsked(read)?.messages.at(-1) ?? asAnswer(read)?.messages[0];
  if (asked !== undefined) return wordsOf(asked) || null;
  if (read.type === "object" && read.entries.length === 1) {
    const only = read.entries[0][1];
    return text(only) ?? (only.type === "object" || only.type === "array" ? null : only.source);
  }
  return read.type === "object" ? sentence(read) : null;
}

/** Of an object with one text and little else, that text, then the rest: a question, and what was said of it. */
function sentence(read) {
  // Some languages have no spaces between words.
  const isText = ([, child]) => child.type === "string" && child.value.length > 12 && /[ \u3000-\uffff]/.test(child.value);
  const texts = read.entries.filter(isText);
  const rest = read.entries.filter((entry) => !isText(entry));
  if (read.cut || texts.length !== 1 || rest.length > 4 || rest.some(([, child]) => isContainer(child))) return null;
  return `${texts[0][1].value} (${rest.map(([key, child]) => `${key} ${text(child) ?? child.source}`).join(", ")})`;
}

/** A table's cell with that line; what is not there is said. */
export function previewCell(source, name, column) {
  const props = { class: "text", role: "cell", "data-column": column };
  if (source === null || source === undefined)
    return h("td", props, h("span", { class: "missing" }, `no ${name}`));
  const shown = line(source);
  return h(
    "td",
    props,
    shown.trim() === ""
      ? h("span", { class: "missing" }, "empty")
      : h("span", { class: "clamp", dir: "auto" }, shown),
  );
}
