// What compared rows may be narrowed down by goes in, the controls for it come out.

import { h } from "./dom.js";
import { number } from "./format.js";
import { stillIndexing } from "./indexing.js";
import { change, changed } from "./router.js";
import { search } from "./table.js";

const FLAGS = [
  ["regressions", "Regressions"],
  ["improvements", "Improvements"],
  ["changed", "The answer changed"],
  ["failed", "Failed in one"],
];
const FILTERS = ["q", "flipped", ...FLAGS.map(([name]) => name)];
const NONE = Object.fromEntries([...FILTERS, "offset", "open"].map((name) => [name, null]));

/** What an address asks of the rows, as parameters of a question. */
export function askedRows(route) {
  return Object.fromEntries([...FILTERS, "sort", "order"].map((name) => [name, route.params.get(name)]));
}

/** The controls, with how many rows are left. */
export function filters(route, { total, unsearched }, comparisons) {
  const { params } = route;
  const labels = new Set();
  for (const { metrics } of comparisons)
    for (const metric of metrics) if (!metric.builtin && metric.kind !== "json") labels.add(metric.label);
  const options = [["", "All rows"], ...FLAGS, ...[...labels].map((label) => [`flipped ${label}`, `${label} changed`])];
  const chosen = params.has("flipped")
    ? `flipped ${params.get("flipped")}`
    : (FLAGS.find(([name]) => params.has(name))?.[0] ?? "");
  return h(
    "div",
    { class: "filters", role: "search", "aria-label": "Filter the rows" },
    h("h2", {}, "Rows"),
    h("span", { class: "quiet found", role: "status" }, number(total), stillIndexing({ unsearched })),
    search(route, "Search the rows", (text) => change({ q: text, offset: null })),
    h(
      "label",
      {},
      h("span", { class: "unseen" }, "Which rows"),
      h(
        "select",
        { on: { change: ({ target: { value } }) => choose(params, value) } },
        options.map(([key, text]) => h("option", { key, value: key, selected: key === chosen }, text)),
      ),
    ),
    FILTERS.some((name) => params.has(name)) ? h("a", { class: "quiet", href: changed(route, NONE) }, "Clear all") : null,
  );
}

/** The worst of the regressions come first, unless another order was chosen. */
function choose(params, value) {
  const isFlip = value.startsWith("flipped ");
  const order = { sort: params.get("sort"), order: params.get("order") };
  const unsorted = order.sort === null || order.sort === "worse";
  if (unsorted) Object.assign(order, value === "regressions" ? { sort: "worse", order: "desc" } : { sort: null, order: null });
  change({
    ...NONE,
    ...order,
    q: params.get("q"),
    flipped: isFlip ? value.slice("flipped ".length) : null,
    ...(value === "" || isFlip ? {} : { [value]: 1 }),
  });
}
