// One comparison goes in, a table of its metrics comes out: differences with their intervals, verdicts with reasons.

import { h } from "./dom.js";
import { duration, number } from "./format.js";
import { cell, table } from "./table.js";

const SIGNS = { better: "▲", worse: "▼", "no different": "=", "cannot tell": "?" };
const SHARES = new Set(["boolean", "assessment", "errors"]);

/** A verdict, told by word and sign as well as by colour; without one where it decides nothing. */
export function verdict(word, { decides = true } = {}) {
  return h(
    "span",
    { class: decides ? `verdict ${word.replace(" ", "-")}` : "verdict quiet" },
    h("span", { "aria-hidden": "true" }, `${SIGNS[word] ?? "·"} `),
    word,
  );
}

/** The table. `names`: what to call A and B. */
export function verdictTable(comparison, [nameA, nameB]) {
  const level = `${number(100 * comparison.confidence)}% interval`;
  const plain = (name, className = null) =>
    h("th", { scope: "col", role: "columnheader", class: className }, name);
  return table({
    name: `Metrics, ${nameB} against ${nameA}`,
    className: "rows verdicts",
    head: [
      plain("Metric"),
      plain("Verdict"),
      plain(nameA, "number"),
      plain(nameB, "number"),
      plain("Difference", "number"),
      plain(level),
      plain("Rows better, worse, same"),
      plain("Scored on both sides"),
    ],
    body: inOrder(comparison.metrics).map((metric) => metricRow(metric, nameA, nameB, level)),
  });
}

/** What has a verdict of better and worse first, then what has none, our own measures last. */
function inOrder(metrics) {
  const place = ({ builtin, kind }) => (builtin ? 3 : kind === "json" ? 2 : kind === "category" ? 1 : 0);
  return [...metrics].sort((one, other) => place(one) - place(other));
}

function metricRow(metric, nameA, nameB, level) {
  return h(
    "tr",
    { key: metric.label, role: "row", class: metric.builtin ? "builtin" : null },
    h(
      "th",
      { scope: "row", role: "rowheader", dir: "auto" },
      h("span", { class: "name" }, metric.label),
      h("span", { class: "quiet note" }, note(metric)),
    ),
    cell(
      "Verdict",
      { class: "text why" },
      metric.judged
        ? verdict(metric.verdict, metric)
        : h("span", { class: "quiet" }, "no verdict"),
      h("span", { class: "quiet note" }, metric.reason),
      metric.rows_needed
        ? h("span", { class: "quiet note" }, `about ${number(metric.rows_needed)} ${metric.rows_needed === 1 ? "row" : "rows"} would settle it`)
        : null,
    ),
    cell(nameA, { class: "number" }, value(metric, metric.mean_a)),
    cell(nameB, { class: "number" }, value(metric, metric.mean_b)),
    cell("Difference", { class: "number" }, difference(metric, metric.difference)),
    cell(level, {}, interval(metric)),
    cell("Rows", {}, wins(metric)),
    cell("Scored on both sides", {}, counted(metric)),
  );
}

function note(metric) {
  if (metric.kind === "latency") return "geometric mean; decides nothing";
  if (SHARES.has(metric.kind))
    return { boolean: "share of true", assessment: "share of pass", errors: "share of rows that raised" }[
      metric.kind
    ];
  if (metric.kind === "score") return metric.direction === "lower" ? "mean; lower is better" : "mean";
  return metric.kind;
}

function value(metric, mean) {
  if (mean === null || mean === undefined) return h("span", { class: "quiet" }, "–");
  if (metric.kind === "latency") return duration(Math.round(mean));
  return SHARES.has(metric.kind) ? `${number(round(100 * mean))}%` : number(mean);
}

function round(value) {
  return Number(value.toFixed(1));
}

/** A difference with its sign and unit: points of a share, percent of a latency, the score's own. */
function difference(metric, by) {
  if (by === null || by === undefined) return h("span", { class: "quiet" }, "–");
  return signed(metric, by) + (SHARES.has(metric.kind) ? " points" : "");
}

function signed(metric, by) {
  const isShare = metric.kind === "latency" || SHARES.has(metric.kind);
  const shown = isShare ? round(100 * by) : Number(by.toPrecision(3));
  // What rounds to zero has no sign.
  const sign = shown > 0 ? "+" : shown < 0 ? "−" : "";
  return sign + number(Math.abs(shown)) + (metric.kind === "latency" ? "%" : "");
}

function interval(metric) {
  if (!metric.interval)
    return metric.agreement === null || metric.agreement === undefined
      ? null
      : h("span", { class: "quiet" }, `${number(round(100 * metric.agreement))}% of rows the same`);
  const [low, high] = metric.interval;
  const reach =
    Math.max(Math.abs(low), Math.abs(high), Math.abs(metric.difference ?? 0), metric.margin ?? 0) * 1.08 || 1;
  const at = (by) => String((by / reach + 1) / 2);
  return [
    h(
      "span",
      {
        class: "interval",
        "aria-hidden": "true",
        vars: {
          "--low": at(low),
          "--high": at(high),
          "--at": at(metric.difference),
          "--margin": String((metric.margin ?? 0) / reach / 2),
        },
      },
      h("span", { class: "margin" }),
      h("span", { class: "zero" }),
      h("span", { class: "range" }),
      h("span", { class: "point" }),
    ),
    h(
      "span",
      { class: "quiet note", title: metric.interval_method },
      `${signed(metric, low)} to ${difference(metric, high)}`,
    ),
  ];
}

function wins(metric) {
  if (!metric.dataset_rows) return null;
  if (metric.direction === null || metric.direction === undefined)
    return `${number(metric.wins)} changed, ${number(metric.ties)} the same`;
  return [
    h("span", {}, `${number(metric.wins)} better, ${number(metric.losses)} worse`),
    h("span", { class: "quiet note" }, `${number(metric.ties)} the same`),
  ];
}

function counted(metric) {
  return [
    h("span", {}, number(metric.n)),
    metric.failed > 0
      ? h(
          "span",
          { class: "failed note" },
          `${number(metric.failed)} failed (${number(metric.failed_a)} and ${number(metric.failed_b)})`,
        )
      : null,
    metric.missing > 0
      ? h(
          "span",
          { class: "missing note" },
          `${number(metric.missing)} missing (${number(metric.missing_a)} and ${number(metric.missing_b)})`,
        )
      : null,
  ];
}
