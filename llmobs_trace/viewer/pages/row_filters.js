// What the rows of an experiment may be narrowed down by goes in, the controls for it come out.

import { columnsMenu } from "./columns.js";
import { h } from "./dom.js";
import { number } from "./format.js";
import { ANY, isChosen, ranges } from "./ranges.js";
import { change, changed } from "./router.js";
import { search, sorting } from "./table.js";

export const FALLBACK = ["start", "asc"];
export const ROWS_AT_ONCE = 100;
export const FILTERS = ["status", "error", "failed", "not_applicable", "missing", "label", "min", "max", "below", "value", "q"];

/** The controls, with how many rows are left of how many. */
export function filters(route, data, labels, columns) {
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
    search(route, "Search spans: inputs, outputs, errors", (text) => set({ q: text })),
    select(
      "Status",
      params.has("error") ? params.get("error") : (params.get("status") && `row ${params.get("status")}`),
      [
        ["", "Any status"],
        ["any", "Errors"],
        ["row error", "The row itself failed"],
        ["row ok", "The row is ok"],
        ...(["any", null].includes(params.get("error")) ? [] : [[params.get("error"), params.get("error")]]),
      ],
      (value) =>
        set({
          error: value.startsWith("row ") ? null : value,
          status: value.startsWith("row ") ? value.slice("row ".length) : null,
        }),
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
    columnsMenu(route, columns),
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
    : params.has("not_applicable")
      ? "does not apply"
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
    ["start", "asc", "Oldest first"],
    ["start", "desc", "Newest first"],
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
