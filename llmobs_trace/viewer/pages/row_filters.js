// What the rows of an experiment may be narrowed down by goes in, the controls for it come out.

import { columnsMenu } from "./columns.js";
import { conditionForm } from "./condition_form.js";
import { writeField, writeText } from "./conditions.js";
import { h } from "./dom.js";
import { number } from "./format.js";
import { stillIndexing } from "./indexing.js";
import { labelled } from "./ranges.js";
import { change, current, go } from "./router.js";
import { search, sorting } from "./table.js";
import { conditionsOf, searchOf, withConditions } from "./where.js";

export const FALLBACK = ["start", "asc"];
export const ROWS_AT_ONCE = 100;

/** The controls, with how many rows are left of how many. */
export function filters(route, data, columns) {
  const { words, others } = searchOf(route);
  const all = conditionsOf(route);
  const { total, experiment } = data;
  return h(
    "div",
    { class: "filters", role: "search", "aria-label": "Filter the rows" },
    h("h2", {}, "Rows"),
    h(
      "span",
      { class: "quiet found", role: "status" },
      all.length > 0 ? `${number(total)} of ${number(experiment.rows)}` : number(experiment.rows),
      stillIndexing(data),
    ),
    search(route, "Search spans: inputs, outputs, errors", searched, "text", words),
    conditionForm(data),
    groupSelect(route, data),
    columnsMenu(route, columns),
    h("div", { class: "small" }, sortSelect(route, data.labels)),
    others.map((condition) => chip(route, condition)),
    all.length > 0 ? h("a", { class: "quiet", href: withConditions(route, []) }, "Clear all") : null,
  );
}

function searched(words) {
  const now = current();
  const text = words.trim();
  const where = [...searchOf(now).others, ...(text === "" ? [] : [writeText({ word: "text", name: "" }, text)])];
  go(withConditions(now, where), { replace: true });
}

function chip(route, condition) {
  return h(
    "a",
    {
      key: `chip-${condition}`,
      class: "chip",
      href: withConditions(route, conditionsOf(route).filter((each) => each !== condition)),
      "aria-label": `${condition}. Take this condition away`,
    },
    h("bdi", {}, `${condition} `),
    h("span", { "aria-hidden": "true" }, "×"),
  );
}

/** By a tag, or by a metric that has categories. */
function groupSelect(route, { scores, facets }) {
  const named = scores.filter(({ metric_type: type }) => type === "categorical" || type === "boolean");
  const options = [
    ...facets.tags.map(({ key }) => [writeField({ word: "tag", name: key }), `by tag ${key}`]),
    ...named.map(({ label }) => [writeField(labelled(label)), `by ${label}`]),
  ];
  if (options.length === 0) return null;
  return select("Group", route.params.get("by"), [["", "No groups"], ...options], (by) => change({ by: by || null }));
}

/** In a small window there is no head to sort by. */
function sortSelect(route, labels) {
  const options = [
    ["start", "asc", "Oldest first"],
    ["start", "desc", "Newest first"],
    ["row_id", "asc", "By row"],
    ["latency", "desc", "Slowest first"],
    ["latency", "asc", "Fastest first"],
    ["status", "desc", "Ok first"],
    ["status", "asc", "Errors first"],
    ...labels.flatMap((label) => [
      [writeField(labelled(label)), "desc", `${label}, highest first`],
      [writeField(labelled(label)), "asc", `${label}, lowest first`],
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
