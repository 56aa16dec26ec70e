// The rows of an experiment go in, their table comes out: what went in and came out, every evaluation, the time.

import { OF_COLUMNS, chosenOf, heightOf } from "./columns.js";
import { writeField } from "./conditions.js";
import { h } from "./dom.js";
import { counted, duration, iso, moment } from "./format.js";
import { metricCell, status } from "./metric.js";
import { previewCell } from "./preview.js";
import { labelled } from "./ranges.js";
import { repeat, rowName } from "./repeats.js";
import { href } from "./router.js";
import { FALLBACK } from "./row_filters.js";
import { cost, hasSpent, shortModel, tokens } from "./spent.js";
import { cell, column, table, wholeRow } from "./table.js";

/** The table of those columns, which `columnsOf` names. */
export function rowsTable(route, rows, columns) {
  const hasRepeats = repeat(rows);
  const shown = chosenOf(route, columns);
  return table({
    name: "Table of rows",
    className: `rows ${heightOf(route)}`,
    head: [
      column(route, "Row", { sort: "row_id", fallback: FALLBACK }),
      shown.map(({ name, options }) => column(route, name, { ...options, fallback: FALLBACK })),
    ],
    body: rows.map((row) => rowOf(route, row, shown, hasRepeats)),
  });
}

/** All columns that there are, in the order that they have unless somebody chooses another: `{id, name, options, cell}`. */
export function columnsOf(scores, spending) {
  const [objects, others] = [true, false].map((wide) => scores.filter((score) => (score.metric_type === "json") === wide).map(evaluation));
  const number = { first: "desc", className: "number" };
  return [
    { id: "input", name: "Input", options: { className: "wide" }, cell: ({ input }) => previewCell(input, "input", "Input") },
    { id: "output", name: "Output", options: { className: "wide" }, cell: outputCell },
    { id: "expected", name: "Expected", options: {}, cell: ({ expected_output: expected }) => previewCell(expected, "expectation", "Expected") },
    ...others,
    { id: "status", name: "Status", options: { sort: "status", first: "desc" }, cell: (row) => cell("Status", {}, status(row), inside(row)) },
    { id: "latency", name: "Latency", options: { sort: "latency", ...number }, cell: latencyCell },
    ...(spending ? SPENT : []),
    { id: "began", name: "Began", options: { sort: "start" }, cell: beganCell },
    // Objects, which are wide and say little at a glance, after all else.
    ...objects,
  ];
}

const SPENT = [
  {
    id: "tokens",
    name: "Tokens",
    options: { sort: "input_tokens", first: "desc", className: "number" },
    cell: (row) => cell("Tokens", { class: "number" }, tokens(row) || h("span", { class: "missing" }, "–")),
  },
  {
    id: "cost",
    name: "Cost",
    options: { sort: "cost_usd", first: "desc", className: "number" },
    cell: (row) => cell("Cost", { class: "number" }, hasSpent(row) ? cost(row) : h("span", { class: "missing" }, "–")),
  },
  {
    id: "model",
    name: "Model",
    options: {},
    cell: ({ models }) =>
      cell("Model", { class: "quiet models", dir: "auto", title: models.join(", ") }, [...new Set(models.map(shortModel))].join(", ") || "–"),
  },
];

function evaluation({ label, metric_type: type }) {
  return {
    id: `score:${label}`,
    name: label,
    options: { sort: writeField(labelled(label)), first: "desc", className: type === "score" ? "number" : null },
    cell: (row, byLabel) => metricCell(byLabel.get(label) ?? [], label),
  };
}

function rowOf(route, row, shown, hasRepeats) {
  const byLabel = new Map();
  for (const metric of row.metrics) byLabel.set(metric.label, [...(byLabel.get(metric.label) ?? []), metric]);
  return h(
    "tr",
    { key: row.span_id, role: "row", on: wholeRow },
    h(
      "th",
      { scope: "row", role: "rowheader" },
      h(
        "a",
        { class: "open", id: `open-${row.span_id}`, dir: "auto", href: traceHref(route, row) },
        rowName(row, row.name, hasRepeats),
      ),
    ),
    shown.map((each) => each.cell(row, byLabel)),
  );
}

function outputCell(row) {
  if (row.status !== "error" || (row.output ?? null) !== null) return previewCell(row.output, "output", "Output");
  const said = `${row.error_type ?? "error"}: ${row.error_message ?? ""}`;
  return cell("Output", { class: "text error" }, h("span", { class: "clamp", dir: "auto" }, said));
}

function latencyCell(row) {
  const first = row.first_item_ns;
  return cell(
    "Latency",
    { class: "number" },
    duration(row.duration_ns),
    first === null || first === undefined
      ? null
      : h("span", { class: "quiet first-item", title: "time to the first item" }, ` first ${duration(first)}`),
  );
}

function beganCell({ start_ns: began }) {
  return cell("Began", { class: "quiet" }, h("time", { datetime: iso(began), title: iso(began) }, moment(began)));
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
  for (const name of ["where", "sort", "order", "by", ...OF_COLUMNS, "cards"]) kept[name] = route.params.getAll(name);
  return href(["experiments", route.id, "traces", row.trace_id], kept, row.span_id);
}
