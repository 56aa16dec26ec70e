// Two or more experiments side by side: a verdict for each metric, then row by row what changed.

import { comparedRows } from "./compared_rows.js";
import { aboveExperiment } from "./above.js";
import { directions } from "./direction.js";
import { h } from "./dom.js";
import { counted, number, shortId } from "./format.js";
import { Missing } from "./missing.js";
import { change, changed, href } from "./router.js";
import { pager, search, whole } from "./table.js";
import { verdict, verdictTable } from "./verdicts.js";

const LIMIT = 100;
// How often to ask for verdicts that are being worked out.
const AGAIN_MS = 500;
const FILTERS = ["q", "changed", "flipped", "sort", "order"];

/** Verdicts on many rows take seconds: the rows are there before them, and what they last were is shown meanwhile. */
export async function load(route, source, before) {
  const ids = chosen(route);
  if (ids.length < 2) throw new Missing("a comparison needs two experiments: choose them in the list");
  const offset = whole(route, "offset");
  const params = { limit: LIMIT, offset: offset || null };
  for (const name of FILTERS) params[name] = route.params.get(name);
  const said = directions(route);
  const asked = JSON.stringify([ids, params, said]);
  // Only what is open of it is another.
  if (before?.pending === false && before.asked === asked && before.found.revision === (await source.revision()))
    return before;
  const askRows = () => source.compareRows(ids, params);
  const known = before?.pending && before.asked === asked ? before.found : null;
  let [answer, found] = await Promise.all([source.compare(ids, said), known ?? askRows()]);
  const pending = answer.pending === true;
  if (pending && found === known && found.revision !== answer.revision) found = await askRows();
  let comparisons = answer.comparisons ?? [answer];
  // As long as nothing is known of what was chosen just now, what was shown before it is.
  if (comparisons.length === 0 && before?.letters.length === ids.length && isOf(before, ids))
    comparisons = before.comparisons;
  return {
    source,
    asked,
    found,
    pending,
    comparisons,
    experiments: pending ? answer.experiments : [comparisons[0].a, ...comparisons.map((each) => each.b)],
    rows: found.rows,
    total: found.total,
    offset,
    letters: ids.map((_, index) => letter(index)),
  };
}

function isOf({ experiments }, ids) {
  return experiments.every((each, index) => each.id === ids[index]);
}

export function again({ pending }) {
  return pending ? AGAIN_MS : null;
}

function letter(index) {
  return String.fromCharCode(97 + index);
}

/** The ids in the address, in the order of their letters. */
function chosen(route) {
  const ids = [];
  for (let index = 0; index < 26 && route.params.get(letter(index)); index += 1)
    ids.push(route.params.get(letter(index)));
  return ids;
}

export function title(route, { experiments }) {
  return `Compare ${experiments
    .map((each) => each.name ?? shortId(each.id))
    .join(" and ")}`;
}

export function path(route) {
  return [
    ...aboveExperiment(),
    ["Compare", href(["compare"], route.params)],
  ];
}

export function view(route, data) {
  const { comparisons, experiments, letters } = data;
  return [
    h(
      "div",
      { key: "head", class: "head" },
      h("div", {}, h("h1", { tabindex: -1 }, "Compare"), sides(experiments)),
      h(
        "div",
        { class: "actions" },
        experiments.length === 2
          ? h(
              "a",
              {
                class: "button",
                href: changed(route, { a: route.params.get("b"), b: route.params.get("a"), offset: null }),
              },
              "Swap A and B",
            )
          : null,
      ),
    ),
    h("p", { key: "pending", class: "pending", role: "status" }, data.pending ? waiting(comparisons) : null),
    comparisons.map((comparison, index) =>
      h(
        "section",
        {
          key: `verdicts-${index}`,
          class: "against",
          "aria-label": `${letters[index + 1].toUpperCase()} against A`,
        },
        h("h2", {}, `${letters[index + 1].toUpperCase()} against A: `, verdict(comparison.verdict)),
        h("p", { class: "quiet" }, paired(comparison.rows, letters[index + 1].toUpperCase())),
        verdictTable(route, comparison, ["A", letters[index + 1].toUpperCase()]),
      ),
    ),
    h("div", { key: "rows" }, filters(route, data), rowsPart(route, data, experiments)),
  ];
}

function waiting(comparisons) {
  return comparisons.length === 0
    ? "The verdicts are being worked out: with so many rows that takes some seconds."
    : "The verdicts are being worked out again: these are from before.";
}

function sides(experiments) {
  return h(
    "ul",
    { class: "sides" },
    experiments.map((each, index) =>
      h(
        "li",
        {},
        h("span", { class: "letter" }, letter(index).toUpperCase()),
        h(
          "a",
          { href: href(["experiments", each.id]) },
          h("span", { dir: "auto" }, each.name ?? each.id),
          each.name ? [" ", h("code", {}, shortId(each.id))] : null,
        ),
        h("span", { class: "quiet" }, ` ${counted(each.rows, "row")}`),
      ),
    ),
  );
}

function paired(rows, other) {
  if (rows.paired === 0) return "No row in common: rows are paired by their row ids, and no id is in both.";
  const parts = [`${counted(rows.paired, "row")} in both`];
  if (Math.max(rows.runs_a, rows.runs_b) > rows.paired)
    parts.push(`${times(rows.runs_a)} in A and ${times(rows.runs_b)} in ${other}, judged by the mean of each row`);
  if (rows.only_a > 0) parts.push(`${number(rows.only_a)} in A alone`);
  if (rows.only_b > 0) parts.push(`${number(rows.only_b)} in ${other} alone`);
  if (rows.other_expected > 0)
    parts.push(`${counted(rows.other_expected, "row")} with another expected output in ${other}`);
  return parts.join(", ");
}

function times(runs) {
  return counted(runs, "run");
}

function filters(route, data) {
  const { params } = route;
  const set = (changes) => change({ ...changes, offset: null });
  const labels = [
    ...new Set(
      data.comparisons.flatMap((each) =>
        each.metrics
          .filter((metric) => !metric.builtin && metric.kind !== "json")
          .map((metric) => metric.label),
      ),
    ),
  ];
  const applied = ["q", "changed", "flipped"].some((name) => params.has(name));
  return h(
    "div",
    { class: "filters", role: "search", "aria-label": "Filter the rows" },
    h("h2", {}, "Rows"),
    h("span", { class: "quiet found", role: "status" }, number(data.total)),
    search(route, "Search the rows", (text) => set({ q: text })),
    h(
      "label",
      {},
      h("span", { class: "unseen" }, "Which rows"),
      h(
        "select",
        {
          on: {
            change: ({ target: { value } }) =>
              set({
                changed: value === "changed" ? 1 : null,
                flipped: value.startsWith("flipped ") ? value.slice("flipped ".length) : null,
              }),
          },
        },
        [
          ["", "All rows"],
          ["changed", "The answer changed"],
          ...labels.map((label) => [`flipped ${label}`, `${label} changed`]),
        ].map(([key, text]) =>
          h(
            "option",
            {
              key,
              value: key,
              selected:
                key ===
                (params.has("flipped")
                  ? `flipped ${params.get("flipped")}`
                  : params.has("changed")
                    ? "changed"
                    : ""),
            },
            text,
          ),
        ),
      ),
    ),
    applied
      ? h(
          "a",
          { class: "quiet", href: changed(route, { q: null, changed: null, flipped: null, offset: null }) },
          "Clear all",
        )
      : null,
  );
}

function rowsPart(route, data, experiments) {
  if (data.rows.length === 0) return h("div", { class: "empty" }, h("p", {}, "No row is like that."));
  return [
    comparedRows(route, data, experiments),
    pager(route, { offset: data.offset, limit: LIMIT, total: data.total, noun: "row" }),
  ];
}
