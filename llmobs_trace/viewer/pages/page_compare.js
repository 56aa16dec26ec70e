// Two or more experiments side by side: a verdict for each metric, then row by row what changed; or one row, to read.

import { aboveExperiment } from "./above.js";
import { askedRows, filters } from "./compared_filters.js";
import { comparedRows, keyOf } from "./compared_rows.js";
import { directions } from "./direction.js";
import { h } from "./dom.js";
import { counted, number, shortId } from "./format.js";
import { matrix } from "./matrix.js";
import { Missing } from "./missing.js";
import * as reading from "./reading.js";
import { changed, href } from "./router.js";
import { pager, whole } from "./table.js";
import { known, verdictTable } from "./verdicts.js";

const LIMIT = 100;
// How often to ask for verdicts that are being worked out.
const AGAIN_MS = 500;

/** Verdicts on many rows take seconds: the rows are there before them, and what they last were is shown meanwhile. */
export async function load(route, source, before) {
  const ids = chosen(route);
  if (ids.length < 2) throw new Missing("a comparison needs two experiments: choose them in the list");
  if (route.params.has("read")) return reading.load(route, source, before, ids, ids.map((_, index) => letter(index)));
  const offset = whole(route, "offset");
  const said = directions(route);
  const params = { limit: LIMIT, offset: offset || null, ...askedRows(route), ...said };
  const asked = JSON.stringify([ids, params]);
  // Only what is open of it is another.
  if (before?.pending === false && !before.unsearched && before.asked === asked && before.found?.revision === (await source.revision()))
    return before;
  const askRows = () => source.compareRows(ids, params);
  const known = before?.pending && !before.unsearched && before.asked === asked ? before.found : null;
  let [answer, found] = await Promise.all([source.compare(ids, said), known ?? askRows()]);
  const pending = answer.pending === true;
  if (pending && found === known && found.revision !== answer.revision) found = await askRows();
  let comparisons = answer.comparisons ?? [answer];
  // As long as nothing is known of what was chosen just now, what was shown before it is.
  if (comparisons.length === 0 && before?.letters?.length === ids.length && isOf(before, ids))
    comparisons = before.comparisons;
  const isApart = comparisons.some(({ rows }) => rows.paired === 0);
  return {
    source,
    asked,
    // Without a row in common each has its own means alone.
    alone: isApart ? await Promise.all(ids.map((id) => source.experiment(id))) : null,
    found,
    pending,
    comparisons,
    experiments: pending ? answer.experiments : [comparisons[0].a, ...comparisons.map((each) => each.b)],
    rows: found.rows,
    total: found.total,
    unsearched: found.unsearched,
    offset,
    letters: ids.map((_, index) => letter(index)),
  };
}

function isOf({ experiments }, ids) {
  return experiments.every((each, index) => each.id === ids[index]);
}

export function again({ pending, unsearched }) {
  return pending || unsearched ? AGAIN_MS : null;
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

export function title(route, { experiments, read }) {
  if (read !== undefined) return reading.title(read);
  return `Compare ${experiments
    .map((each) => each.name ?? shortId(each.id))
    .join(" and ")}`;
}

export function path(route, { read }) {
  const list = new URLSearchParams(route.params);
  for (const own of ["read", "diff"]) list.delete(own);
  const found = [...aboveExperiment(), ["Compare", href(["compare"], list)]];
  return read === undefined ? found : [...found, [reading.title(read), href(["compare"], route.params)]];
}

/** What to go on from, on the page above. */
export function focusAbove({ read }) {
  return read === undefined ? null : reading.focusAbove(read);
}

export function keys(route, data) {
  return data.read === undefined ? {} : reading.keys(route, data);
}

export function view(route, data) {
  if (data.read !== undefined) return reading.view(route, data);
  const { comparisons, experiments, letters } = data;
  return [
    h(
      "div",
      { key: "head", class: "head" },
      h("div", {}, h("h1", { tabindex: -1 }, "Compare"), sides(experiments)),
      h(
        "div",
        { class: "actions" },
        data.rows.length > 0
          ? h("a", { class: "button main", href: changed(route, { read: keyOf(data.rows[0], letters), offset: null, open: null }) }, "Read the answers")
          : null,
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
    comparisons.map((comparison, index) => {
      const name = letters[index + 1].toUpperCase();
      return h(
        "section",
        { key: `verdicts-${index}`, class: "against", "aria-label": `${name} against A` },
        h("h2", {}, `${name} against A: `, known(comparison)),
        h("p", { class: "quiet" }, paired(comparison.rows, name)),
        comparisons.length === 1 ? verdictTable(route, comparison, ["A", name], data.alone) : null,
      );
    }),
    comparisons.length > 1 ? matrix(route, comparisons, letters, data.alone) : null,
    h("div", { key: "rows" }, filters(route, data, data.comparisons), rowsPart(route, data, experiments)),
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
  if (rows.paired === 0)
    return "No row in common, and so no verdict: rows are paired by their row ids, and no id is in both. Each has its own means.";
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

function rowsPart(route, data, experiments) {
  if (data.rows.length === 0) return h("div", { class: "empty" }, h("p", {}, "No row is like that."));
  return [
    comparedRows(route, data, experiments),
    pager(route, { offset: data.offset, limit: LIMIT, total: data.total, noun: "row" }),
  ];
}
