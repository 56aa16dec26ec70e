// A metric goes in, what it says comes out in words, with its failure where it failed.

import { h } from "./dom.js";
import { number } from "./format.js";
import { brief, parse } from "./json.js";

/** What a metric came to: `{kind: "score" | "word" | "failed" | "none", text, assessment}`. */
export function saying(metric) {
  if (metric.failed)
    return {
      kind: "failed",
      text: "failed",
      detail: metric.error_message || "the evaluator failed and did not say why",
    };
  if (metric.not_applicable) return { kind: "none", text: "does not apply" };
  const { value } = metric;
  if (typeof value === "number" && metric.metric_type === "score")
    return { kind: "score", text: number(value), exact: String(value) };
  if (typeof value === "boolean") return { kind: "word", text: value ? "true" : "false" };
  if (metric.metric_type === "json" && value !== null) return { kind: "json", text: shortJson(value) };
  if (value !== null && value !== undefined) return { kind: "word", text: String(value) };
  return { kind: "none", text: metric.assessment ? "" : "no value" };
}

function shortJson(value) {
  const source = typeof value === "string" ? value : JSON.stringify(value);
  const read = parse(source);
  return read === null ? source.slice(0, 60) : brief(read, 60);
}

/** The cell of a label in a row: its metrics, or the word `missing`. */
export function metricCell(metrics, label) {
  if (metrics.length === 0)
    return h(
      "td",
      { class: "metric", role: "cell", "data-column": label },
      h("span", { class: "value missing" }, "missing"),
    );
  return h(
    "td",
    {
      class: metrics.some((each) => each.metric_type === "score") ? "metric number" : "metric",
      role: "cell",
      "data-column": label,
    },
    metrics.map((metric) => metricValue(metric)),
  );
}

/** One metric: its value, its assessment in words, its failure. */
export function metricValue(metric) {
  const { kind, text, detail, exact } = saying(metric);
  if (kind === "failed") return h("span", { class: "value failed", title: detail }, "failed");
  return h(
    "span",
    { class: `value ${kind}`, title: exact !== text ? exact : null },
    text === "" ? null : h("span", {}, text),
    metric.assessment ? assessment(metric.assessment) : null,
  );
}

/** `pass` and `fail`, told by word and sign as well as by colour. */
export function assessment(word) {
  return h(
    "span",
    { class: `assessment ${word}` },
    h("span", { "aria-hidden": "true" }, word === "pass" ? "✓ " : "✗ "),
    word,
  );
}

/** Status, told by word and sign as well as by colour. */
export function status(span) {
  const failed = span.status === "error";
  return h(
    "span",
    {
      class: `status ${span.status}`,
      title: failed && span.error_message ? span.error_message.slice(0, 500) : null,
    },
    h("span", { "aria-hidden": "true" }, failed ? "✗ " : "✓ "),
    failed ? span.error_type || "error" : "ok",
  );
}
