// A row goes in, what people say of it comes out, with the buttons and keys by which they say it.
//
// What they say are metrics of the row's root, of which the server keeps the latest of each label: pass or fail with a
// note, a note alone, a corrected expected output.

import { ask } from "./ask.js";
import { h } from "./dom.js";
import { done } from "./notice.js";

const HUMAN = "human";
const NOTE = "human_note";
const EXPECTED = "human_expected_output";

/** What was said of a row: `{passes, note, expected}`, each null where nothing was. */
export function saidOf(metrics) {
  const last = (label) => metrics.filter((metric) => metric.label === label).at(-1) ?? null;
  const human = last(HUMAN);
  return {
    passes: typeof human?.value === "boolean" ? human.value : null,
    note: human?.reasoning || textOf(last(NOTE)) || null,
    expected: last(EXPECTED) === null ? null : textOf(last(EXPECTED)),
  };
}

/** The `value` of a JSON metric as text; the beginning of it where there is no more. */
function textOf(metric) {
  if (typeof metric?.value !== "string") return null;
  try {
    const { value } = JSON.parse(metric.value);
    return typeof value === "string" ? value : JSON.stringify(value);
  } catch {
    return metric.value;
  }
}

/** The section about a row: `{source, experimentId, span}`, the span being its root; `of` says whose it is. */
export function marks(row, of = "") {
  const { passes, note, expected } = saidOf(row.span.metrics ?? []);
  const button = (name, key, pressed, press) =>
    h(
      "button",
      {
        type: "button",
        class: pressed ? `mark ${name.toLowerCase()} on` : "mark",
        "aria-pressed": pressed === null ? null : String(pressed),
        "aria-keyshortcuts": key,
        title: `Key: ${key}`,
        on: { click: press },
      },
      name,
    );
  return h(
    "section",
    { key: "marks", class: "marks", "aria-label": `Your verdict${of}` },
    h(
      "div",
      { class: "buttons" },
      button("Pass", "p", passes === true, () => toggle(row, true)),
      button("Fail", "f", passes === false, () => toggle(row, false)),
      button(note === null ? "Add a note" : "Edit the note", "n", null, () => askNote(row)),
      button("Correct the expected output", "e", null, () => askExpected(row)),
    ),
    note === null ? null : h("p", { class: "note", dir: "auto" }, h("span", { class: "quiet" }, "Note: "), note),
    expected === null
      ? null
      : h("p", { class: "note", dir: "auto" }, h("span", { class: "quiet" }, "Expected instead: "), expected.slice(0, 4000)),
  );
}

/** The keys, for the row that `row()` gives; null where there is none. */
export function markKeys(row) {
  const on = (act) => () => {
    const found = row();
    if (found === null) return false;
    act(found);
    return true;
  };
  return { p: on((found) => say(found, true)), f: on((found) => say(found, false)), n: on(askNote), e: on(askExpected) };
}

function say({ source, experimentId, span }, verdict) {
  return done(() => source.mark(experimentId, span.span_id, { verdict }));
}

/** A button that is on takes its verdict back; a key says it, whatever was said. */
function toggle(row, verdict) {
  const { passes } = saidOf(row.span.metrics ?? []);
  return say(row, passes === verdict ? null : verdict);
}

async function askNote(row) {
  const { source, experimentId, span } = row;
  const known = await wholeMarks(row);
  const answer = await ask("Note on the row", [{ name: "note", label: "Note", value: known.note ?? "", rows: 4 }], {
    hint: "Ctrl+Enter saves. An empty note takes it away.",
  });
  if (answer !== null) await done(() => source.mark(experimentId, span.span_id, { note: answer.values.note.trim() }));
}

async function askExpected(row) {
  const { source, experimentId, span } = row;
  const { expected, recorded } = await wholeMarks(row);
  const { text, isText, isWrapped } = asText(expected ?? recorded);
  const answer = await ask(
    "What should have been expected",
    [{ name: "expected", label: isText ? "Expected output" : "Expected output, JSON", value: text, rows: 8 }],
    { hint: "Ctrl+Enter saves. What was recorded stays; an empty text takes the correction away." },
  );
  if (answer === null) return;
  const typed = answer.values.expected;
  await done(() => {
    if (typed.trim() === "") return source.mark(experimentId, span.span_id, { expected_output: null });
    const value = isText ? typed : JSON.parse(typed);
    return source.mark(experimentId, span.span_id, { expected_output: isWrapped ? { value } : value });
  });
}

/** A value as a person edits it: a text as itself, also where it stands alone in `{"value": …}`; else its JSON. */
function asText(value) {
  const isWrapped = value !== null && typeof value === "object" && Object.keys(value).join() === "value";
  const inner = isWrapped ? value.value : value;
  if (inner === undefined || inner === null) return { text: "", isText: true, isWrapped: false };
  if (typeof inner === "string") return { text: inner, isText: true, isWrapped };
  return { text: JSON.stringify(value, null, 2), isText: false, isWrapped: false };
}

/** What was said, and what was recorded as expected, whole: a page may have only the beginning. */
async function wholeMarks({ source, experimentId, span }) {
  const found = await source.span(experimentId, span.span_id);
  const events = found.metrics.map((text) => JSON.parse(text)).sort((one, other) => one.timestamp_ms - other.timestamp_ms);
  const last = (label) => events.filter((event) => event.label === label).at(-1);
  return {
    note: last(HUMAN)?.reasoning ?? last(NOTE)?.json_value?.value ?? null,
    expected: last(EXPECTED)?.json_value?.value ?? null,
    recorded: JSON.parse(found.span).meta?.expected_output ?? null,
  };
}
