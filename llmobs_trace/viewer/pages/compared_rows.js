// The rows of several experiments go in, a table comes out that has them side by side, with what changed marked.

import { wholeAnswers } from "./answers.js";
import { sideBySide } from "./diff.js";
import { h } from "./dom.js";
import { duration } from "./format.js";
import { saying } from "./metric.js";
import { line, previewCell } from "./preview.js";
import { repeat, rowName } from "./repeats.js";
import { change, changed, href } from "./router.js";
import { costText, hasSpent, tokens } from "./spent.js";
import { cell, column, table, wholeRow } from "./table.js";
import { turnOf, turned } from "./turn.js";

const FALLBACK = ["start", "asc"];

/** The table of them: `letters` name the experiments, whose rows `rows` has by letter. */
export function comparedRows(route, { rows, letters, source, comparisons }, experiments) {
  const labels = labelsOf(rows, letters);
  const hasRepeats = repeat(rows);
  const spending = rows.some((row) => letters.some((each) => row[each] && hasSpent(row[each])));
  // What is sorted by is the difference of the second from the first.
  const by = (name, sort) => column(route, name, { sort, first: "desc", fallback: FALLBACK });
  return table({
    name: "Rows side by side",
    className: "rows compared",
    head: [
      column(route, "Row", { sort: "row_id", fallback: FALLBACK }),
      column(route, "Input"),
      letters.map((each) => column(route, outputOf(each))),
      labels.map((label) => by(label, `score:${label}`)),
      by("Latency", "duration"),
      spending && [by("Tokens", "input_tokens"), by("Cost", "cost_usd")],
    ],
    body: rows.map((row) => {
      const open = route.params.get("open") === keyOf(row, letters);
      return [
        comparedRow(route, row, letters, labels, experiments, { open, spending, hasRepeats, comparisons }),
        open
          ? h(
              "tr",
              { key: `open-${keyOf(row, letters)}`, role: "row", class: "opened" },
              h(
                "td",
                { role: "cell", colspan: letters.length + labels.length + (spending ? 5 : 3) },
                wholeAnswers(row, letters, experiments, source),
              ),
            )
          : null,
      ];
    }),
  });
}

/** What a row is known by in the address: the span of the first that has it. */
export function keyOf(row, letters) {
  return row[letters.find((each) => row[each])].span_id;
}

function outputOf(letter) {
  return `${letter.toUpperCase()}'s output`;
}

function labelsOf(rows, letters) {
  const found = new Set();
  for (const row of rows)
    for (const each of letters)
      for (const metric of row[each]?.metrics ?? [])
        if (metric.metric_type !== "json") found.add(metric.label);
  return [...found].sort();
}

function comparedRow(route, row, letters, labels, experiments, { open, spending, hasRepeats, comparisons }) {
  const first = letters.findIndex((each) => row[each]);
  const any = row[letters[first]];
  const lines = letters.map((each) => (row[each] ? answerOf(row[each]) : null));
  const pieces = sideBySide(lines);
  return h(
    "tr",
    { key: `${row.row_id}-${any.span_id}`, role: "row", on: wholeRow },
    h(
      "th",
      { scope: "row", role: "rowheader" },
      h(
        "a",
        {
          class: "open",
          id: `open-${any.span_id}`,
          dir: "auto",
          href: changed(route, { read: any.span_id, offset: null, open: null }),
          title: "Read its answers",
        },
        rowName(row, any.name, hasRepeats),
      ),
      row.changed
        ? h(
            "button",
            {
              class: "changed",
              type: "button",
              "aria-expanded": String(open),
              title: open ? "Show the rows alone" : "Show the whole answers, with what changed",
              on: { click: () => change({ open: open ? null : keyOf(row, letters) }) },
            },
            "changed ",
            h("span", { "aria-hidden": "true" }, open ? "▾" : "▸"),
          )
        : null,
    ),
    previewCell(any.input, "input", "Input"),
    letters.map((each, index) =>
      answerCell(route, row[each], lines[index], marked(pieces[index], index), experiments[index], outputOf(each)),
    ),
    labels.map((label) => flipCell(row, letters, label, comparisons)),
    cell("Latency", {}, arrowed(comparable(row, letters).map((each) => (row[each] ? duration(row[each].duration_ns) : "–")))),
    spending && [
      cell("Tokens", {}, unlessSame(comparable(row, letters).map((each) => (row[each] && tokens(row[each]).replace(" → ", " + ")) || "–"))),
      cell("Cost", {}, unlessSame(comparable(row, letters).map((each) => (row[each] ? costText(row[each]) : "–")))),
    ],
  );
}

/** The trace knows the comparison that it is opened from: that is above it. */
export function traceOf(route, experiment, row) {
  return href(["experiments", experiment.id, "traces", row.trace_id], { from: route.params }, row.span_id);
}

function answerOf(row) {
  if (row.status === "error") return `${row.error_type ?? "error"}: ${row.error_message ?? ""}`;
  return line(row.output);
}

function answerCell(route, row, shown, answer, experiment, column) {
  if (!row) return cell(column, { class: "text" }, h("span", { class: "missing" }, "not in this one"));
  const content = shown.trim() === "" ? h("span", { class: "missing" }, "empty") : answer;
  return cell(
    column,
    { class: row.status === "error" ? "text error" : "text" },
    h(
      "a",
      {
        class: "answer clamp",
        dir: "auto",
        href: traceOf(route, experiment, row),
        "aria-label": `${shown || "empty"}. Open this trace`,
      },
      row.status === "error" ? h("span", { "aria-hidden": "true" }, "✗ ") : null,
      content,
    ),
  );
}

/** All, each in its place; of a row that one experiment alone has, that one: nothing is beside it. */
function comparable(row, letters) {
  const there = letters.filter((each) => row[each]);
  return there.length === 1 ? there : letters;
}

/** Only what says another thing is coloured: a score is mostly another number. */
function flipCell(row, letters, label, comparisons) {
  const values = comparable(row, letters).map((each) => said(row[each], label));
  if (values.every((value) => value === values[0])) return cell(label, { class: "metric quiet" }, values[0]);
  const turn = turnOf(row, letters, label, comparisons);
  const flips = isFlip(row, label);
  return cell(
    label,
    { class: ["metric", flips && "flipped", flips && turn].filter(Boolean).join(" ") },
    flips && turn !== null ? turned(turn) : null,
    arrowed(values),
  );
}

/** Whether a label says another thing of the row: that a score is another number is none. */
export function isFlip({ flips }, label) {
  return (Array.isArray(flips) ? flips : Object.values(flips).flat()).includes(label);
}

/** A line with what is another in it marked. */
function marked(pieces, index) {
  return pieces?.map(([isSame, text]) => (isSame ? text : h(index === 0 ? "del" : "ins", {}, text)));
}

/** "0.5 → 0.75". */
function arrowed(values) {
  return values.map((value, index) => [index > 0 ? h("span", { class: "arrow" }, " → ") : null, value]);
}

/** Once, where all are the same. */
function unlessSame(values) {
  return values.every((value) => value === values[0]) ? h("span", { class: "quiet" }, values[0]) : arrowed(values);
}

/** What a row's metrics of a label say, in a few words. */
export function said(row, label) {
  if (!row) return "–";
  const found = row.metrics.filter((metric) => metric.label === label);
  if (found.length === 0) return "missing";
  return found
    .map((metric) => {
      const { text } = saying(metric);
      return [text, metric.assessment && text !== "failed" ? metric.assessment : ""]
        .filter(Boolean)
        .join(" ");
    })
    .join(", ");
}
