// The comparisons of several experiments with the first go in, one table of all metrics and all of them comes out.

import { direction } from "./direction.js";
import { h } from "./dom.js";
import { cell, table } from "./table.js";
import { difference, inOrder, note, signed, value, verdict, withOwn } from "./verdicts.js";

/** The table; `letters` name the experiments. */
export function matrix(route, comparisons, letters, alone) {
  const names = letters.map((each) => each.toUpperCase());
  const metrics = new Map();
  for (const comparison of comparisons)
    for (const metric of comparison.metrics) if (!metrics.has(metric.label)) metrics.set(metric.label, metric);
  const head = (name, className = null) => h("th", { scope: "col", role: "columnheader", class: className }, name);
  return table({
    name: "Metrics of all experiments",
    className: "rows verdicts matrix",
    head: [head("Metric"), head("A", "number"), names.slice(1).map((name) => head(`${name} against A`))],
    body: inOrder([...metrics.values()]).map((metric) => metricRow(route, metric, comparisons, names, alone)),
  });
}

function metricRow(route, metric, comparisons, names, alone) {
  const found = comparisons.map(({ metrics }, index) => {
    const one = metrics.find(({ label }) => label === metric.label);
    return one && withOwn(one, alone, index + 1);
  });
  return h(
    "tr",
    { key: metric.label, role: "row", class: metric.builtin ? "builtin" : null },
    h(
      "th",
      { scope: "row", role: "rowheader", dir: "auto" },
      h("span", { class: "name" }, metric.label),
      h("span", { class: "quiet note" }, note({ ...metric, total_a: null })),
      direction(route, metric),
    ),
    cell("A", { class: "number" }, value(metric, found.find((one) => typeof one?.mean_a === "number")?.mean_a)),
    found.map((one, index) => against(one, `${names[index + 1]} against A`)),
  );
}

function against(one, name) {
  if (one === undefined) return cell(name, {}, h("span", { class: "missing" }, "missing"));
  const range = one.interval ? `, ${signed(one, one.interval[0])} to ${signed(one, one.interval[1])}` : "";
  const by = one.difference;
  return cell(
    name,
    { class: "text" },
    h("span", { class: "mean" }, value(one, one.mean_b)),
    " ",
    one.judged || one.verdict === "not judged" ? verdict(one.verdict, one) : h("span", { class: "quiet" }, "no verdict"),
    h("span", { class: "quiet note", title: one.reason }, typeof by === "number" ? [difference(one, by), range] : one.reason),
  );
}
