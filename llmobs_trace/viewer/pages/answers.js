// A row of several experiments goes in, its answers come out whole, side by side, with what is another marked.

import { sideBySide } from "./diff.js";
import { h, island, node, patch } from "./dom.js";
import { counted, number } from "./format.js";
import { plainText } from "./plain_text.js";

// Of a stretch that is the same, so much is shown at its beginning and at its end.
const SHOWN_CHARACTERS = 300;
const PIECES_AT_ONCE = 1_000;

/** The answers of a compared row, whole as far as the source gives them at once. */
export function wholeAnswers(row, letters, experiments, source) {
  const sides = letters.map((letter, index) => [letter.toUpperCase(), row[letter], experiments[index]]);
  const key = sides.map(([, found]) => found?.span_id ?? "").join(" ");
  return island(`answers-${key}`, () => {
    const box = node(h("div", { class: "answers" }, h("p", { class: "quiet" }, "Loading the whole answers…")));
    load(box, sides, source, row.changed);
    return box;
  });
}

async function load(box, sides, source, isChanged) {
  try {
    const answers = await Promise.all(
      sides.map(async ([, found, experiment]) => found && (await answerOf(found, experiment, source))),
    );
    patch(box, columns(sides, answers, isChanged));
  } catch (error) {
    patch(box, h("p", { class: "failed", role: "alert" }, `The answers can't be had: ${error.message}`));
  }
}

async function answerOf(row, experiment, source) {
  if (row.status === "error" && (row.output ?? null) === null)
    return { text: `${row.error_type ?? "error"}: ${row.error_message ?? ""}`, part: null };
  const found = row.output_cut ? await source.shown(experiment.id, row) : row;
  // Of a conversation the oldest messages are left out, of all else the end.
  const part = !found.output_cut
    ? null
    : found.output_left_out > 0
      ? "of a longer conversation the end"
      : "of a longer answer the beginning";
  return { text: plainText(found.output), part };
}

function columns(sides, answers, isChanged) {
  const [first] = answers;
  const pieces = sideBySide(answers.map((each) => each?.text ?? null));
  const others = answers.slice(1).filter(Boolean);
  const equal = first && others.length > 0 && others.every((each) => each.text === first.text);
  return [
    equal ? h("p", { class: "quiet" }, alike([first, ...others], isChanged)) : null,
    h(
      "div",
      { class: "sides-by-side" },
      sides.map(([letter], index) =>
        h(
          "section",
          { "aria-label": `${letter}'s whole answer` },
          h("h3", {}, h("span", { class: "letter" }, letter), counts(answers[index])),
          island(`whole-${index}`, () => answer(pieces[index], index)),
        ),
      ),
    ),
  ];
}

function alike(answers, isChanged) {
  if (!isChanged) return "The answers are equal.";
  return answers.some(({ part }) => part !== null)
    ? "What is shown of them is equal: they differ in what is not."
    : "As texts they are equal: they differ in how they are written as JSON.";
}

function counts(found) {
  if (!found) return null;
  return h(
    "span",
    { class: "quiet" },
    ` ${counted(found.text.length, "character")}${found.part === null ? "" : `, ${found.part}`}`,
  );
}

function answer(pieces, index) {
  const box = node(h("div", { class: "whole-answer", dir: "auto" }));
  if (pieces === null) patch(box, h("p", { class: "missing" }, "not in this one"));
  else if (pieces.every(([, text]) => text === "")) patch(box, h("p", { class: "missing" }, "empty"));
  else add(box, pieces, 0, index === 0 ? "del" : "ins");
  return box;
}

/** A thousand pieces at a time: a browser lays them out without a hitch. */
function add(box, pieces, from, tag) {
  const end = Math.min(pieces.length, from + PIECES_AT_ONCE);
  for (let index = from; index < end; index += 1) {
    const [isSame, text] = pieces[index];
    if (isSame) addSame(box, text, index > 0, index < pieces.length - 1);
    else box.append(node(h(tag, {}, text)));
  }
  if (end === pieces.length) return;
  const more = node(h("button", { class: "more", type: "button" }, `Show more: ${number(pieces.length - end)} parts are left`));
  more.addEventListener("click", () => {
    more.remove();
    add(box, pieces, end, tag);
  });
  box.append(more);
}

/** Of a long stretch the parts beside what changed. */
function addSame(box, text, isAfter, isBefore) {
  const head = isAfter || !isBefore ? SHOWN_CHARACTERS : 0;
  const tail = isBefore ? SHOWN_CHARACTERS : 0;
  if (text.length <= head + tail + SHOWN_CHARACTERS) {
    box.append(node(h("span", {}, text)));
    return;
  }
  const [from, to] = [lineEnd(text, head), lineEnd(text, text.length - tail)];
  const more = node(
    h("button", { class: "more same", type: "button" }, `… ${counted(to - from, "character")} the same …`),
  );
  more.addEventListener("click", () => more.replaceWith(node(h("span", {}, text.slice(from, to)))));
  if (from > 0) box.append(node(h("span", {}, text.slice(0, from))));
  box.append(more);
  if (to < text.length) box.append(node(h("span", {}, text.slice(to))));
}

/** A little further on, where a line ends there. */
function lineEnd(text, at) {
  const end = text.indexOf("\n", at);
  return at > 0 && end !== -1 && end - at < SHOWN_CHARACTERS / 2 ? end + 1 : boundary(text, at);
}

/** Not between the halves of a pair. */
function boundary(text, at) {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff ? at - 1 : at;
}
