// The rows of an experiment go in, their table comes out: what went in and came out, every evaluation, the time.

import { h } from "./dom.js";
import { counted, duration, iso, moment } from "./format.js";
import { metricCell, status } from "./metric.js";
import { previewCell } from "./preview.js";
import { repeat, rowName } from "./repeats.js";
import { href } from "./router.js";
import { FALLBACK, FILTERS } from "./row_filters.js";
import { cost, hasSpent, shortModel, tokens } from "./spent.js";
import { cell, column, table, wholeRow } from "./table.js";

/** The table; `scores` name its columns of evaluations; with `spending`, it has what model calls took. */
export function rowsTable(route, rows, scores, spending) {
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
      spending && [
        head("Tokens", { sort: "input_tokens", first: "desc", className: "number" }),
        head("Cost", { sort: "cost_usd", first: "desc", className: "number" }),
        head("Model"),
      ],
      head("Began", { sort: "start" }),
      objects.map((score) => evaluation(score)),
    ],
    body: rows.map((row) => rowOf(route, row, others, objects, spending, repeat(rows))),
  });
}

function rowOf(route, row, others, objects, spending, hasRepeats) {
  const name = rowName(row, row.name, hasRepeats);
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
    cell("Status", {}, status(row), inside(row)),
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
    spending && [
      cell("Tokens", { class: "number" }, tokens(row) || h("span", { class: "missing" }, "–")),
      cell("Cost", { class: "number" }, hasSpent(row) ? cost(row) : h("span", { class: "missing" }, "–")),
      cell(
        "Model",
        { class: "quiet models", dir: "auto", title: row.models.join(", ") },
        [...new Set(row.models.map(shortModel))].join(", ") || "–",
      ),
    ],
    cell(
      "Began",
      { class: "quiet" },
      h("time", { datetime: iso(row.start_ns), title: iso(row.start_ns) }, moment(row.start_ns)),
    ),
    objects.map(evaluated),
  );
}

/** Errors that the row itself got over. */
function inside({ status: own, errors }) {
  return own === "ok" && errors > 0
    ? h("span", { class: "failed note" }, `${counted(errors, "error")} inside`)
    : null;
}

function traceHref(route, row) {
  // The trace knows what was looked through, so that it can go on to the next row of it.
  const kept = {};
  for (const name of ["sort", "order", ...FILTERS])
    if (route.params.has(name)) kept[name] = route.params.get(name);
  return href(["experiments", route.id, "traces", row.trace_id], kept, row.span_id);
}
