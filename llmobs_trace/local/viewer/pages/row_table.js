// The rows of an experiment go in, their table comes out: what went in and came out, every evaluation, the time.

import { h } from "./dom.js";
import { duration, iso, moment } from "./format.js";
import { metricCell, status } from "./metric.js";
import { previewCell } from "./preview.js";
import { href } from "./router.js";
import { FALLBACK, FILTERS } from "./row_filters.js";
import { cell, column, table, wholeRow } from "./table.js";

/** The table; `scores` name its columns of evaluations. */
export function rowsTable(route, rows, scores) {
  // Objects, which are wide and say little at a glance, after all else.
  const [objects, others] = [true, false].map((wide) =>
    scores.filter((score) => (score.metric_type === "json") === wide),
  );
  const head = (name, options) => column(route, name, { ...options, fallback: FALLBACK });
  const evaluation = ({ label, metric_type: type }) =>
    head(label, { sort: `score:${label}`, first: "desc", className: type === "score" ? "number" : null });
  return table({
    name: "Table of rows",
    className: "rows",
    head: [
      head("Row", { sort: "row_id" }),
      head("Input", { className: "first-text" }),
      head("Output"),
      head("Expected"),
      others.map((score) => evaluation(score)),
      head("Status", { sort: "status", first: "desc" }),
      head("Latency", { sort: "duration", first: "desc", className: "number" }),
      head("Began", { sort: "start" }),
      objects.map((score) => evaluation(score)),
    ],
    body: rows.map((row) => rowOf(route, row, others, objects)),
  });
}

function rowOf(route, row, others, objects) {
  const name = row.row_id ?? row.name;
  const byLabel = new Map();
  for (const metric of row.metrics) byLabel.set(metric.label, [...(byLabel.get(metric.label) ?? []), metric]);
  const evaluated = ({ label }) => metricCell(byLabel.get(label) ?? [], label);
  return h(
    "tr",
    { key: row.span_id, role: "row", on: wholeRow },
    h(
      "th",
      { scope: "row", role: "rowheader" },
      h("a", { class: "open", id: `open-${row.span_id}`, dir: "auto", href: traceHref(route, row) }, name),
    ),
    previewCell(row.input, "input", "Input"),
    row.status === "error" && (row.output === null || row.output === undefined)
      ? cell(
          "Output",
          { class: "text error" },
          h(
            "span",
            { class: "clamp", dir: "auto" },
            `${row.error_type ?? "error"}: ${row.error_message ?? ""}`,
          ),
        )
      : previewCell(row.output, "output", "Output"),
    previewCell(row.expected_output, "expectation", "Expected"),
    others.map(evaluated),
    cell("Status", {}, status(row)),
    cell(
      "Latency",
      { class: "number" },
      duration(row.duration_ns),
      row.first_item_ns === null || row.first_item_ns === undefined
        ? null
        : h(
            "span",
            { class: "quiet first-item", title: "time to the first item" },
            ` first ${duration(row.first_item_ns)}`,
          ),
    ),
    cell(
      "Began",
      { class: "quiet" },
      h("time", { datetime: iso(row.start_ns), title: iso(row.start_ns) }, moment(row.start_ns)),
    ),
    objects.map(evaluated),
  );
}

function traceHref(route, row) {
  // The trace knows what was looked through, so that it can go on to the next row of it.
  const kept = {};
  for (const name of ["sort", "order", ...FILTERS])
    if (route.params.has(name)) kept[name] = route.params.get(name);
  return href(["experiments", route.id, "traces", row.trace_id], kept, row.span_id);
}
