// Groups of rows go in, a small table comes out: of each its rows, and the mean or the share of every metric.

import { BECAME, readField, writeField, writeText } from "./conditions.js";
import { h } from "./dom.js";
import { counted, number, percent } from "./format.js";
import { cell, column, table } from "./table.js";
import { narrowedTo } from "./where.js";

/** A click on a group shows its rows alone. */
export function groupsTable(route, { groups, others, labels, shares }) {
  const field = readField(route.params.get("by"));
  const shared = new Set(shares);
  return h(
    "section",
    { key: "groups", class: "grouped", "aria-label": "Groups" },
    groups.length === 0 ? h("p", { class: "quiet" }, `No row has ${writeField(field)}.`) : null,
    table({
      name: `Groups by ${writeField(field)}`,
      className: "groups",
      head: [writeField(field), "Rows", ...labels].map((name, index) => column(route, name, { className: index > 0 ? "number" : null })),
      body: groups.map((group) => rowOf(route, field, group, labels, shared)),
    }),
    others > 0 ? h("p", { class: "quiet" }, `and ${counted(others, "smaller group")}`) : null,
  );
}

function rowOf(route, field, { value, rows, scores }, labels, shared) {
  const byLabel = new Map(scores.map((score) => [score.label, score]));
  return h(
    "tr",
    { key: `group-${value}`, role: "row" },
    h(
      "th",
      { scope: "row", role: "rowheader" },
      h("a", { href: narrowedTo(route, [conditionOf(field, value)]), dir: "auto" }, value === "" ? "(empty)" : value),
    ),
    cell("Rows", { class: "number" }, number(rows)),
    labels.map((label) => {
      const score = byLabel.get(label);
      if (score === undefined) return cell(label, { class: "number missing" }, "–");
      const { mean, count } = score;
      return cell(label, { class: "number" }, shared.has(label) ? percent(mean * count, count) : number(mean), h("span", { class: "quiet" }, ` of ${number(count)}`));
    }),
  );
}

/** A label's true and false mean what they say; all else that was recorded is text. */
function conditionOf(field, value) {
  const isBoolean = field.word === "metric" && BECAME.slice(-2).includes(value);
  return isBoolean ? `${writeField(field)}=${value}` : writeText(field, value);
}
