// The rows of several experiments go in, a table comes out that has them side by side, with what changed marked.

import { wordDiff } from "./diff.js";
import { h } from "./dom.js";
import { duration } from "./format.js";
import { saying } from "./metric.js";
import { line, previewCell } from "./preview.js";
import { href } from "./router.js";
import { cell, column, table, wholeRow } from "./table.js";

const FALLBACK = ["start", "asc"];

/** The table of them: `letters` name the experiments, whose rows `rows` has by letter. */
export function comparedRows(route, { rows, letters }, experiments) {
  const labels = labelsOf(rows, letters);
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
    ],
    body: rows.map((row) => comparedRow(row, letters, labels, experiments)),
  });
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

function comparedRow(row, letters, labels, experiments) {
  const first = letters.findIndex((each) => row[each]);
  const any = row[letters[first]];
  const lines = letters.map((each) => (row[each] ? answerOf(row[each]) : null));
  return h(
    "tr",
    { key: `${row.row_id}-${any.span_id}`, role: "row", on: wholeRow },
    h(
      "th",
      { scope: "row", role: "rowheader" },
      h("a", { class: "open", dir: "auto", href: traceOf(experiments[first], any) }, row.row_id ?? any.name),
      row.changed ? h("span", { class: "note changed" }, "changed") : null,
    ),
    previewCell(any.input, "input", "Input"),
    letters.map((each, index) => answerCell(row[each], lines, index, experiments[index], outputOf(each))),
    labels.map((label) => flipCell(row, letters, label)),
    cell("Latency", {}, arrowed(letters.map((each) => (row[each] ? duration(row[each].duration_ns) : "–")))),
  );
}

function traceOf(experiment, row) {
  return href(["experiments", experiment.id, "traces", row.trace_id], {}, row.span_id);
}

function answerOf(row) {
  if (row.status === "error") return `${row.error_type ?? "error"}: ${row.error_message ?? ""}`;
  return line(row.output);
}

function answerCell(row, lines, index, experiment, column) {
  if (!row) return cell(column, { class: "text" }, h("span", { class: "missing" }, "not in this one"));
  const content =
    lines[index].trim() === "" ? h("span", { class: "missing" }, "empty") : marked(lines, index);
  return cell(
    column,
    { class: row.status === "error" ? "text error" : "text" },
    h(
      "a",
      {
        class: "answer clamp",
        dir: "auto",
        href: traceOf(experiment, row),
        "aria-label": `${lines[index] || "empty"}. Open this trace`,
      },
      row.status === "error" ? h("span", { "aria-hidden": "true" }, "✗ ") : null,
      content,
    ),
  );
}

function flipCell(row, letters, label) {
  const values = letters.map((each) => said(row[each], label));
  const same = values.every((value) => value === values[0]);
  return cell(label, { class: same ? "metric quiet" : "metric flipped" }, same ? values[0] : arrowed(values));
}

/** A line with what is another in it marked: in A's what B's has not, of two; in others' what A's has not. */
function marked(lines, index) {
  const [first, second] = lines;
  if (first === null || (index === 0 && (lines.length > 2 || second === null))) return lines[index];
  const found = index === 0 ? wordDiff(first, second).before : wordDiff(first, lines[index]).after;
  return found.map(([isSame, text]) => (isSame ? text : h(index === 0 ? "del" : "ins", {}, text)));
}

/** "0.5 → 0.75". */
function arrowed(values) {
  return values.map((value, index) => [index > 0 ? h("span", { class: "arrow" }, " → ") : null, value]);
}

function said(row, label) {
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
