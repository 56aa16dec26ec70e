// One experiment: its scores and latency at the top, then its rows, sorted and filtered as the address says.

import { h } from "./dom.js";
import { counted, duration, iso, moment, number, shortId } from "./format.js";
import { histogram } from "./histogram.js";
import { metricCell, status } from "./metric.js";
import { previewCell } from "./preview.js";
import { ANY, isChosen, ranges } from "./ranges.js";
import { change, changed, href } from "./router.js";
import { scoreCards } from "./scores.js";
import { column, pager, search, sorting, whole, wholeRow } from "./table.js";

const LIMIT = 100;
const FALLBACK = ["start", "asc"];
const FILTERS = ["status", "failed", "missing", "label", "min", "max", "below", "value", "q"];

export async function load(route, source) {
  const [order, direction] = sorting(route, FALLBACK);
  const offset = whole(route, "offset");
  const params = { sort: order, order: direction, limit: LIMIT, offset: offset || null };
  for (const name of FILTERS) params[name] = route.params.get(name);
  const [summary, found] = await Promise.all([source.experiment(route.id), source.rows(route.id, params)]);
  return { ...summary, ...found, offset, live: source.live };
}

export function title(route, { experiment }) {
  return `${experiment.name ?? "unnamed"} ${shortId(experiment.id)}`;
}

export function path(route, { experiment }) {
  return [
    ["Experiments", href(["experiments"])],
    [experiment.name ?? shortId(experiment.id), href(["experiments", route.id])],
  ];
}

export function view(route, data) {
  const { experiment, scores, latency, rows } = data;
  const cards = ordered(scores);
  const labels = cards.map((score) => score.label);
  return [
    h(
      "div",
      { key: "head", class: "head" },
      h(
        "div",
        {},
        h("h1", { tabindex: -1, dir: "auto" }, experiment.name ?? "unnamed"),
        facts(experiment, data.other_metrics),
      ),
      h(
        "div",
        { class: "actions" },
        data.live &&
          h("a", { class: "button", href: href(["experiments"], { pick: experiment.id }) }, "Compare with…"),
      ),
    ),
    h(
      "section",
      { key: "summary", class: "cards", "aria-label": "Scores and latency" },
      latencyCard(latency, experiment),
      scoreCards(route, cards),
    ),
    h(
      "div",
      { key: "rows" },
      filters(route, data, labels),
      rows.length === 0
        ? h("div", { class: "empty" }, nothing(route, experiment))
        : rowsTable(route, rows, cards),
      rows.length === 0
        ? null
        : pager(route, { offset: data.offset, limit: LIMIT, total: data.total, noun: "row" }),
    ),
  ];
}

/** The scores as cards and columns: what reads at a glance first, objects last. */
function ordered(scores) {
  const place = (score) => ["boolean", "score", "categorical", "json"].indexOf(score.metric_type);
  return [...scores].sort((one, other) => place(one) - place(other));
}

function facts(experiment, others) {
  const failed = experiment.failed_metrics;
  return h(
    "ul",
    { class: "facts" },
    h("li", {}, h("code", {}, experiment.id)),
    h(
      "li",
      {},
      "began ",
      h(
        "time",
        { datetime: iso(experiment.began_ns), title: iso(experiment.began_ns) },
        moment(experiment.began_ns),
      ),
    ),
    h("li", {}, counted(experiment.rows, "row")),
    h("li", {}, counted(experiment.spans, "span")),
    h(
      "li",
      { class: experiment.errors > 0 ? "error" : null },
      experiment.errors === 0
        ? "no errors"
        : counted(experiment.errors, "span with an error", "spans with errors"),
    ),
    h("li", {}, counted(experiment.metrics, "metric")),
    failed > 0 ? h("li", { class: "failed" }, `${number(failed)} failed`) : null,
    others > 0 ? h("li", {}, `${number(others)} of spans that are in no row`) : null,
    experiment.dataset_ids.length > 0 ? h("li", {}, `dataset ${experiment.dataset_ids.join(", ")}`) : null,
  );
}

function latencyCard(latency, experiment) {
  if (!latency?.histogram || experiment.rows === 0) return null;
  return h(
    "article",
    { key: "latency", class: "card" },
    h("h2", {}, "Latency"),
    h("p", { class: "big" }, duration(latency.p50_ns), h("span", { class: "quiet" }, " median")),
    histogram(latency.histogram, { title: "Rows by latency", one: duration }),
    h(
      "p",
      { class: "quiet" },
      `90% within ${duration(latency.p90_ns)}, 99% within ${duration(latency.p99_ns)}`,
    ),
  );
}

function filters(route, data, labels) {
  const { params } = route;
  const set = (changes) => change({ ...changes, offset: null });
  const applied = FILTERS.some((name) => params.has(name));
  return h(
    "div",
    { class: "filters", role: "search", "aria-label": "Filter the rows" },
    h("h2", {}, "Rows"),
    h(
      "span",
      { class: "quiet found", role: "status" },
      applied ? `${number(data.total)} of ${number(data.experiment.rows)}` : number(data.experiment.rows),
    ),
    search(route, "Search names, inputs, outputs, errors", (text) => set({ q: text })),
    select(
      "Status",
      params.get("status"),
      [
        ["", "Any status"],
        ["error", "Errors"],
        ["ok", "Ok"],
      ],
      (value) => set({ status: value }),
    ),
    labels.length === 0
      ? null
      : select(
          "Evaluation",
          params.get("failed") ? "failed" : params.has("missing") ? `missing ${params.get("missing")}` : "",
          [
            ["", "Any evaluation"],
            ["failed", "A failed evaluator"],
            ...labels.map((label) => [`missing ${label}`, `Missing ${label}`]),
          ],
          (value) =>
            set({
              ...ANY,
              failed: value === "failed" ? 1 : null,
              missing: value.startsWith("missing ") ? value.slice("missing ".length) : null,
            }),
        ),
    valueSelect(route, data.scores, set),
    h("div", { class: "small" }, sortSelect(route, labels)),
    params.has("label") ? chip(route) : null,
    applied
      ? h(
          "a",
          {
            class: "quiet",
            href: changed(route, {
              ...Object.fromEntries(FILTERS.map((name) => [name, null])),
              offset: null,
            }),
          },
          "Clear all",
        )
      : null,
  );
}

function chip(route) {
  const { params } = route;
  const low = number(Number(params.get("min")));
  const range = params.has("failed")
    ? "failed"
    : params.has("value")
      ? `is ${params.get("value")}`
      : params.has("below")
        ? `${low} to below ${number(Number(params.get("below")))}`
        : `${low} to ${number(Number(params.get("max")))}`;
  return h(
    "a",
    {
      class: "chip",
      href: changed(route, { ...ANY, offset: null }),
      "aria-label": `${params.get("label")} ${range}. Take this filter away`,
    },
    `${params.get("label")} ${range} `,
    h("span", { "aria-hidden": "true" }, "×"),
  );
}

/** What a click on a bar does, for everybody. */
function valueSelect(route, scores, set) {
  const all = scores.flatMap((score) =>
    ranges(score)
      .filter(({ count, filter }) => count > 0 && filter !== null)
      .map((range) => ({ ...range, name: `${score.label}: ${range.name} (${number(range.count)})` })),
  );
  if (all.length === 0) return null;
  const chosen = all.findIndex((range) => isChosen(route, range));
  const options = all.map(({ name }, index) => [String(index), name]);
  return select("Value", chosen === -1 ? "" : String(chosen), [["", "Any value"], ...options], (index) =>
    set(index === "" ? ANY : all[Number(index)].filter),
  );
}

/** In a small window there is no head to sort by. */
function sortSelect(route, labels) {
  const options = [
    ["start", "asc", "First first"],
    ["start", "desc", "Last first"],
    ["row_id", "asc", "By row"],
    ["duration", "desc", "Slowest first"],
    ["duration", "asc", "Fastest first"],
    ["status", "desc", "Ok first"],
    ["status", "asc", "Errors first"],
    ...labels.flatMap((label) => [
      [`score:${label}`, "desc", `${label}, highest first`],
      [`score:${label}`, "asc", `${label}, lowest first`],
    ]),
  ];
  const chosen = sorting(route, FALLBACK).join(" ");
  return select(
    "Sort",
    chosen,
    options.map(([by, order, text]) => [`${by} ${order}`, text]),
    (value) => {
      const at = value.lastIndexOf(" ");
      change({ sort: value.slice(0, at), order: value.slice(at + 1), offset: null });
    },
  );
}

function select(name, value, options, chosen) {
  return h(
    "label",
    {},
    h("span", { class: "unseen" }, name),
    h(
      "select",
      { on: { change: (event) => chosen(event.target.value) } },
      options.map(([key, text]) => h("option", { key, value: key, selected: key === (value ?? "") }, text)),
    ),
  );
}

function rowsTable(route, rows, scores) {
  const labels = scores.map((score) => score.label);
  const head = (name, options) => column(route, name, { ...options, fallback: FALLBACK });
  return h(
    "div",
    { class: "scrolls", tabindex: 0, role: "region", "aria-label": "Table of rows" },
    h(
      "table",
      { class: "list rows", role: "table" },
      h("caption", { class: "unseen" }, "The rows of the experiment"),
      h(
        "thead",
        { role: "rowgroup" },
        h(
          "tr",
          { role: "row" },
          head("Row", { sort: "row_id" }),
          head("Input", { className: "first-text" }),
          head("Output"),
          head("Expected"),
          scores.map(({ label, metric_type: type }) =>
            head(label, {
              sort: `score:${label}`,
              first: "desc",
              className: type === "score" ? "number" : null,
            }),
          ),
          head("Status", { sort: "status", first: "desc" }),
          head("Latency", { sort: "duration", first: "desc", className: "number" }),
          head("Began", { sort: "start" }),
        ),
      ),
      h(
        "tbody",
        { role: "rowgroup" },
        rows.map((row) => rowOf(route, row, labels)),
      ),
    ),
  );
}

function rowOf(route, row, labels) {
  const name = row.row_id ?? row.name;
  const byLabel = new Map();
  for (const metric of row.metrics) byLabel.set(metric.label, [...(byLabel.get(metric.label) ?? []), metric]);
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
      ? h(
          "td",
          { class: "text error", role: "cell", "data-column": "Output" },
          h(
            "span",
            { class: "clamp", dir: "auto" },
            `${row.error_type ?? "error"}: ${row.error_message ?? ""}`,
          ),
        )
      : previewCell(row.output, "output", "Output"),
    previewCell(row.expected_output, "expectation", "Expected"),
    labels.map((label) => metricCell(byLabel.get(label) ?? [], label)),
    h("td", { role: "cell", "data-column": "Status" }, status(row)),
    h(
      "td",
      { class: "number", role: "cell", "data-column": "Latency" },
      duration(row.duration_ns),
      row.first_item_ns === null || row.first_item_ns === undefined
        ? null
        : h(
            "span",
            { class: "quiet first-item", title: "time to the first item" },
            ` first ${duration(row.first_item_ns)}`,
          ),
    ),
    h(
      "td",
      { class: "quiet", role: "cell", "data-column": "Began" },
      h("time", { datetime: iso(row.start_ns), title: iso(row.start_ns) }, moment(row.start_ns)),
    ),
  );
}

function traceHref(route, row) {
  // The trace knows what was looked through, so that it can go on to the next row of it.
  const kept = {};
  for (const name of ["sort", "order", ...FILTERS])
    if (route.params.has(name)) kept[name] = route.params.get(name);
  return href(["experiments", route.id, "traces", row.trace_id], kept, row.span_id);
}

function nothing(route, experiment) {
  if (experiment.rows === 0)
    return [
      h("p", {}, "No row has ended yet."),
      h(
        "p",
        { class: "quiet" },
        "A row is a span without a parent, of kind experiment. It appears here when its block ends.",
      ),
    ];
  return [
    h("p", {}, "No row is like that."),
    h("p", {}, h("a", { href: href(["experiments", route.id]) }, "Show all rows")),
  ];
}
