// One comparison goes in, a table of its metrics comes out: differences with their intervals, verdicts with reasons.

import { direction } from "./direction.js";
import { h } from "./dom.js";
import { dollars, duration, number } from "./format.js";
import { cell, table } from "./table.js";

const SIGNS = { better: "▲", worse: "▼", "no different": "=", "cannot tell": "?", "not judged": "–" };
const SHARES = new Set(["boolean", "assessment", "errors"]);
// What rows took: compared by factors.
const AMOUNTS = new Set(["latency", "tokens", "cost"]);

/** A verdict, told by word and sign as well as by colour; without one where it decides nothing. */
export function verdict(word, { decides = true } = {}) {
  return h(
    "span",
    { class: decides ? `verdict ${word.replace(" ", "-")}` : "verdict quiet" },
    h("span", { "aria-hidden": "true" }, `${SIGNS[word] ?? "·"} `),
    word,
  );
}

/** What is known of a comparison, in words: which metrics are better and worse, and of how many nobody can tell. */
export function known({ metrics, verdict: whole, rows }) {
  if (rows.paired === 0) return verdict(whole);
  const deciding = metrics.filter((metric) => metric.decides && metric.judged);
  const of = (word) => deciding.filter((metric) => metric.verdict === word);
  const parts = ["worse", "better"]
    .filter((word) => of(word).length > 0)
    .map((word) => [h("span", { class: `verdict ${word}` }, h("span", { "aria-hidden": "true" }, `${SIGNS[word]} `), `${of(word).map(({ label }) => label).join(", ")} ${word}`)]);
  const same = of("no different").length;
  if (same > 0) parts.push(`${number(same)} no different`);
  const unsure = of("cannot tell").length;
  const all = unsure === deciding.length;
  if (unsure > 0) parts.push(`of ${number(deciding.length)} metrics ${all ? "none" : number(unsure)} can${all ? "" : "’t"} be told`);
  return [
    parts.map((part, index) => [index > 0 ? "; " : null, part]),
    h("span", { class: "quiet whole" }, parts.length > 0 ? " As a whole: " : null, verdict(whole)),
  ];
}

/** The table. `names`: what to call A and B; `alone`: each experiment by itself, where no row is in both. */
export function verdictTable(route, comparison, [nameA, nameB], alone = null) {
  const level = `${number(100 * comparison.confidence)}% interval`;
  const plain = (name, className = null) =>
    h("th", { scope: "col", role: "columnheader", class: className }, name);
  if (comparison.rows.paired === 0) {
    // No verdict, and no reason but the one that stands above: what is left is each one's own means.
    const metrics = inOrder(comparison.metrics).map((metric) => withOwn(metric, alone));
    return table({
      name: `Metrics of ${nameA} and of ${nameB}`,
      className: "rows verdicts",
      head: [plain("Metric"), plain(nameA, "number"), plain(nameB, "number")],
      body: metrics.filter(hasMean).map((metric) => meansRow(metric, nameA, nameB)),
    });
  }
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
    body: inOrder(comparison.metrics).map((metric) => metricRow(route, withOwn(metric, alone), nameA, nameB, level)),
  });
}

/** With each experiment's own mean where no row is in both; `place` is the other's among `alone`. */
export function withOwn(metric, alone, place = 1) {
  if (alone === null || metric.builtin || typeof metric.mean_a === "number") return metric;
  const [a, b] = [alone[0], alone[place]].map(({ scores }) => ownMean(scores.find(({ label }) => label === metric.label)));
  return { ...metric, kind: a?.kind ?? b?.kind ?? metric.kind, mean_a: a?.mean, mean_b: b?.mean };
}

function ownMean(score) {
  const share = (kind, some = 0, others = 0) => (some + others > 0 ? { kind, mean: some / (some + others) } : null);
  if (typeof score?.mean === "number") return { kind: "score", mean: score.mean };
  return share("assessment", score?.passed, score?.not_passed) ?? share("boolean", score?.values?.true, score?.values?.false);
}

/** What has a verdict of better and worse first, then what has none, our own measures last. */
export function inOrder(metrics) {
  const place = ({ builtin, kind }) => (builtin ? 3 : kind === "json" ? 2 : kind === "category" ? 1 : 0);
  return [...metrics].sort((one, other) => place(one) - place(other));
}

function hasMean({ mean_a: a, mean_b: b }) {
  return typeof a === "number" || typeof b === "number";
}

function meansRow(metric, nameA, nameB) {
  return h(
    "tr",
    { key: metric.label, role: "row" },
    heading(metric),
    cell(nameA, { class: "number" }, value(metric, metric.mean_a)),
    cell(nameB, { class: "number" }, value(metric, metric.mean_b)),
  );
}

function heading(metric, ...more) {
  return h(
    "th",
    { scope: "row", role: "rowheader", dir: "auto" },
    h("span", { class: "name" }, metric.label),
    h("span", { class: "quiet note" }, note(metric)),
    ...more,
  );
}

function metricRow(route, metric, nameA, nameB, level) {
  return h(
    "tr",
    { key: metric.label, role: "row", class: metric.builtin ? "builtin" : null },
    heading(metric, direction(route, metric)),
    cell(
      "Verdict",
      { class: "text why" },
      metric.judged || metric.verdict === "not judged"
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

export function note(metric) {
  if (AMOUNTS.has(metric.kind)) {
    const { total_a: a, total_b: b } = metric;
    const totals = typeof a === "number" ? `; in all ${value(metric, a)} and ${value(metric, b)}` : "";
    return `geometric mean${totals}${metric.kind === "latency" ? "; decides nothing" : ""}`;
  }
  if (SHARES.has(metric.kind))
    return { boolean: "share of true", assessment: "share of pass", errors: "share of rows that raised" }[
      metric.kind
    ];
  if (metric.kind === "score") return "mean";
  return metric.kind;
}

function nothing() {
  return h("span", { class: "quiet" }, "–");
}

export function value(metric, mean) {
  if (mean === null || mean === undefined) return nothing();
  if (metric.kind === "latency") return duration(Math.round(mean));
  if (metric.kind === "cost") return dollars(mean);
  if (metric.kind === "tokens") return number(mean < 100 ? round(mean) : Math.round(mean));
  return SHARES.has(metric.kind) ? `${number(round(100 * mean))}%` : number(mean);
}

function round(value) {
  return Number(value.toFixed(1));
}

/** A difference with its sign and unit: points of a share, percent of an amount, the score's own. */
export function difference(metric, by) {
  if (by === null || by === undefined) return nothing();
  return signed(metric, by) + (SHARES.has(metric.kind) ? " points" : "");
}

export function signed(metric, by) {
  const isShare = AMOUNTS.has(metric.kind) || SHARES.has(metric.kind);
  const shown = isShare ? round(100 * by) : Number(by.toPrecision(3));
  // What rounds to zero has no sign.
  const sign = shown > 0 ? "+" : shown < 0 ? "−" : "";
  return sign + number(Math.abs(shown)) + (AMOUNTS.has(metric.kind) ? "%" : "");
}

function interval(metric) {
  if (!metric.interval)
    return metric.agreement === null || metric.agreement === undefined
      ? nothing()
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
  if (!metric.dataset_rows) return nothing();
  if (metric.agreement !== null && metric.agreement !== undefined)
    return `${number(metric.wins)} changed, ${number(metric.ties)} the same`;
  if (metric.direction === null || metric.direction === undefined)
    return [
      h("span", {}, `${number(metric.wins)} higher, ${number(metric.losses)} lower`),
      h("span", { class: "quiet note" }, `${number(metric.ties)} the same`),
    ];
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
    metric.not_applicable_a + metric.not_applicable_b > 0
      ? h(
          "span",
          { class: "quiet note" },
          `does not apply ${number(metric.not_applicable_a)} and ${number(metric.not_applicable_b)} times`,
        )
      : null,
  ];
}
