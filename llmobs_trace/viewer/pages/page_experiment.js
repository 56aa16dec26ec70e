// One experiment: its scores and latency at the top, then its rows, sorted and filtered as the address says.

import { aboveExperiment } from "./above.js";
import { h } from "./dom.js";
import { counted, dollars, duration, iso, moment, number, shortId } from "./format.js";
import { groupsTable } from "./groups.js";
import { histogram } from "./histogram.js";
import { bins, isChosen, rangeHref } from "./ranges.js";
import { changed, go, href } from "./router.js";
import { FALLBACK, ROWS_AT_ONCE, filters } from "./row_filters.js";
import { columnsOf, rowsTable } from "./row_table.js";
import { scoreCards } from "./scores.js";
import { pager, sorting, whole } from "./table.js";
import { conditionsOf } from "./where.js";

export async function load(route, source) {
  const [order, direction] = sorting(route, FALLBACK);
  const offset = whole(route, "offset");
  const where = conditionsOf(route);
  const params = { where, sort: order, order: direction, limit: ROWS_AT_ONCE, offset: offset || null };
  const by = route.params.get("by");
  const [summary, found, groups] = await Promise.all([
    source.experiment(route.id),
    source.rows(route.id, params),
    by && source.groups(route.id, { by, where }),
  ]);
  return { ...summary, ...found, groups, offset, live: source.live };
}

export { again } from "./indexing.js";

export function title(route, { experiment }) {
  return experiment.name ? `${experiment.name} ${shortId(experiment.id)}` : experiment.id;
}

export function path(route, { experiment }) {
  return [
    ...aboveExperiment(),
    [experiment.name ?? shortId(experiment.id), href(["experiments", route.id])],
  ];
}

export function view(route, data) {
  const { experiment, scores, latency, rows } = data;
  const cards = ordered(scores);
  const columns = columnsOf(cards, Boolean(data.spent));
  return [
    h(
      "div",
      { key: "head", class: "head" },
      h(
        "div",
        {},
        h("h1", { tabindex: -1, dir: "auto" }, experiment.name ?? experiment.id),
        facts(route, experiment, data.other_metrics),
        experiment.note ? h("p", { class: "note", dir: "auto" }, experiment.note) : null,
      ),
      h(
        "div",
        { class: "actions" },
        data.live &&
          h("a", { class: "button", href: href(["experiments"], { pick: experiment.id }) }, "Compare with…"),
      ),
    ),
    h(
      "section",
      { key: "summary", "aria-label": "Scores and latency" },
      inOneRow(route, [latencyCard(route, latency, experiment), ...(spentCards(data.spent) ?? []), ...scoreCards(route, cards)].filter(Boolean)),
    ),
    h(
      "div",
      { key: "rows" },
      filters(route, data, columns),
      data.groups && groupsTable(route, data.groups),
      rows.length === 0
        ? h("div", { class: "empty" }, nothing(route, experiment))
        : rowsTable(route, rows, columns),
      rows.length === 0
        ? null
        : pager(route, { offset: data.offset, limit: ROWS_AT_ONCE, total: data.total, noun: "row" }),
    ),
    elsewhere(route, data.elsewhere),
  ];
}

// Of a card, with the gap beside it.
const CARD_PIXELS = 185;

/** As many cards as there is room for; the others when somebody wants them. */
function inOneRow(route, cards) {
  const fit = Math.max(2, Math.floor((document.documentElement.clientWidth - 40) / CARD_PIXELS));
  const isOpen = route.params.has("cards");
  const rest = cards.length - fit;
  const link = isOpen ? "Show one row of them" : `Show ${counted(rest, "more metric")}`;
  return [
    h("div", { class: "cards" }, isOpen ? cards : cards.slice(0, fit)),
    rest > 0 ? h("a", { class: "quiet", href: changed(route, { cards: isOpen ? null : "all" }) }, link) : null,
  ];
}

/** What no row shows, and where it can be seen. */
function elsewhere(route, { spans, traces }) {
  if (spans === 0) return null;
  return h(
    "section",
    { key: "elsewhere", class: "elsewhere", "aria-label": "In no row" },
    h("h2", {}, `In no row: ${counted(spans, "span")}`),
    h("p", { class: "quiet" }, "Their row has not ended, its root is of another kind, or it never came."),
    h(
      "ul",
      {},
      traces.map((trace) =>
        h(
          "li",
          { key: trace.trace_id },
          h(
            "a",
            { href: href(["experiments", route.id, "traces", trace.trace_id]), dir: "auto" },
            trace.name,
          ),
          h("span", { class: "quiet" }, ` ${counted(trace.spans, "span")}`),
        ),
      ),
    ),
  );
}

/** The scores as cards and columns: what reads at a glance first, objects last. */
function ordered(scores) {
  const place = (score) => ["boolean", "score", "categorical", "json"].indexOf(score.metric_type);
  return [...scores].sort((one, other) => place(one) - place(other));
}

function facts(route, experiment, others) {
  const failed = experiment.failed_metrics;
  return h(
    "ul",
    { class: "facts" },
    h("li", {}, h("code", {}, experiment.id)),
    h(
      "li",
      {},
      "began ",
      h(
        "time",
        { datetime: iso(experiment.began_ns), title: iso(experiment.began_ns) },
        moment(experiment.began_ns),
      ),
    ),
    h("li", {}, counted(experiment.rows, "row"), experiment.repeats > 1 ? `, each ${number(experiment.repeats)} times` : null),
    experiment.status && experiment.status !== "completed"
      ? h("li", { class: "missing" }, experiment.left > 0 ? `${experiment.status}, ${counted(experiment.left, "row")} left` : experiment.status)
      : null,
    h("li", {}, counted(experiment.spans, "span")),
    h(
      "li",
      { class: experiment.errors > 0 ? "error" : null },
      experiment.errors === 0
        ? "no errors"
        : h(
            "a",
            { class: "error", href: href(["experiments", route.id], { where: "error=any" }) },
            counted(experiment.errors, "span with an error", "spans with errors"),
          ),
    ),
    h("li", {}, counted(experiment.metrics, "metric")),
    failed > 0 ? h("li", { class: "failed" }, `${number(failed)} failed`) : null,
    others > 0 ? h("li", {}, `${number(others)} of spans that are in no row`) : null,
    experiment.dataset_ids.length > 0 ? h("li", {}, `dataset ${experiment.dataset_ids.join(", ")}`) : null,
  );
}

function latencyCard(route, latency, experiment) {
  if (!latency?.histogram || experiment.rows === 0) return null;
  return h(
    "article",
    { key: "latency", class: "card" },
    h("h2", {}, "Latency"),
    h("p", { class: "big" }, duration(latency.p50_ns), h("span", { class: "quiet" }, " median")),
    latencies(route, latency.histogram),
    latency.lowest_ns < latency.highest_ns
      ? h(
          "p",
          { class: "quiet" },
          `90% within ${duration(latency.p90_ns)}, 99% within ${duration(latency.p99_ns)}`,
        )
      : null,
  );
}

function latencies(route, found) {
  const times = bins(found, { word: "latency", name: "" }, (edge) => `${edge / 1e6}ms`, duration);
  return histogram(found, {
    title: "Rows by latency",
    one: duration,
    active: (index) => isChosen(route, times[index]),
    chosen: (index) => go(rangeHref(route, times[index])),
  });
}

const round = (count) => number(Math.round(count));

/** What model calls took; nothing where there were none. */
function spentCards(spent) {
  if (!spent) return null;
  const { input_tokens: given, output_tokens: made, cost_usd: cost, worked_out: workedOut, prices } = spent;
  const about = workedOut ? "~" : "";
  const unknown = (amount) => (amount.unknown > 0 ? h("p", { class: "missing" }, `${counted(amount.unknown, "row")} unknown`) : null);
  return [
    h(
      "article",
      { key: "tokens", class: "card" },
      h("h2", {}, "Tokens"),
      h("p", { class: "big" }, given ? round(given.total) : "?", h("span", { class: "quiet" }, ` in, ${made ? round(made.total) : "?"} out`)),
      h("p", { class: "quiet" }, `a row ${given ? round(given.mean) : "?"} in, ${made ? round(made.mean) : "?"} out`),
      unknown(given ?? made),
    ),
    h(
      "article",
      { key: "cost", class: "card" },
      h("h2", {}, "Cost"),
      cost
        ? [
            h("p", { class: "big" }, about + dollars(cost.total), h("span", { class: "quiet" }, " in all")),
            h("p", { class: "quiet" }, `a row ${about}${dollars(cost.mean)}, ${dollars(cost.lowest)} to ${dollars(cost.highest)}`),
            unknown(cost),
            workedOut ? h("p", { class: "quiet" }, "~ worked out from the tokens, where no price was stated") : null,
          ]
        : [
            h("p", { class: "big missing" }, "unknown"),
            h("p", { class: "quiet" }, prices ? "No row has a price for every call." : "To work it out: pip install 'llmobs-trace[prices]'"),
          ],
    ),
  ];
}

function nothing(route, experiment) {
  if (experiment.rows === 0)
    return [
      h("p", {}, "No row has ended yet."),
      h(
        "p",
        { class: "quiet" },
        "A row is a span without a parent, of kind experiment. It appears here when its block ends.",
      ),
    ];
  return [
    h("p", {}, "No row is like that."),
    h("p", {}, h("a", { href: href(["experiments", route.id]) }, "Show all rows")),
  ];
}
