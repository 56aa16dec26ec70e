// One trace: its spans as a tree and a waterfall, and what the chosen one holds.

import { aboveTrace, passedOn } from "./above.js";
import { copyButton } from "./copy.js";
import { h } from "./dom.js";
import { counted, duration, iso, moment, number, shortId } from "./format.js";
import { markKeys, marks } from "./marks.js";
import { OWN, narrowed, narrowing } from "./narrowed.js";
import { neighbours } from "./neighbours.js";
import { rowName } from "./repeats.js";
import { change, changed, href } from "./router.js";
import { ROWS_AT_ONCE } from "./row_filters.js";
import { placeOf, spanAt } from "./same_span.js";
import { detail } from "./span_detail.js";
import { spentFacts } from "./spent.js";
import { whole } from "./table.js";
import { tree } from "./tree.js";
import { wholeSpan } from "./whole_span.js";

const LIMIT = 500;

// A span that an address names is looked for among so many.
const MOST = 20_000;
// And the like of one that was looked at in another trace, which may have none.
const MOST_ALIKE = 2_000;

export async function load(route, source, before) {
  const page = (offset) => source.trace(route.id, route.traceId, { limit: LIMIT, offset: offset || null });
  const known = before !== null && before.traceId === route.traceId;
  const [first, summary, beside] = await Promise.all([
    page(0),
    known ? before.experiment : source.experiment(route.id).then((found) => found.experiment),
    // While an experiment runs, rows are added at the end: what came before and after stays.
    known && before.beside.next ? before.beside : neighbours(route, source).catch(() => ({})),
  ]);
  const spans = [...first.spans];
  const wanted = whole(route, "spans", LIMIT);
  const isSought = () =>
    route.span !== ""
      ? spans.length < MOST && !spans.some((span) => span.span_id === route.span)
      : route.params.has("at") && spans.length < MOST_ALIKE && !spanAt(spans, route.params.get("at"));
  while (spans.length < first.total && (spans.length < wanted || isSought())) {
    const more = await page(spans.length);
    if (more.spans.length === 0) break;
    spans.push(...more.spans);
  }
  const { row_id, began_ns, duration_ns, total, errors } = first;
  if (!known) requestAnimationFrame(() => scrollTo(chosen(route, spans)));
  return {
    traceId: route.traceId,
    spans,
    row: row_id && rowName(first, "", summary.repeats > 1),
    began_ns,
    duration_ns,
    total,
    errors,
    experiment: summary,
    beside,
    source,
    wholes: known ? before.wholes : new Map(),
  };
}

export function title(route, data) {
  return `${nameOf(data)} · ${data.experiment.name ?? shortId(data.experiment.id)}`;
}

export function path(route, data) {
  const { experiment } = data;
  return [
    ...aboveTrace(route, data, experiment.name ?? shortId(experiment.id), ROWS_AT_ONCE),
    [nameOf(data), href(["experiments", route.id, "traces", route.traceId])],
  ];
}

/** What to go on from, on the page above. */
export function focusAbove(data) {
  return `open-${data.spans[0]?.span_id}`;
}

/** The span that is looked at: the address names it, or its place among those alike; else the first. */
function chosen(route, spans) {
  return spans.find((span) => span.span_id === route.span) ?? spanAt(spans, route.params.get("at")) ?? spans[0];
}

function scrollTo(span) {
  document.getElementById(`span-${span?.span_id}`)?.scrollIntoView({ block: "nearest" });
}

function nameOf({ row, spans }) {
  return row ?? spans[0]?.name ?? "trace";
}

export function view(route, data) {
  const { total, duration_ns, began_ns, errors, source } = data;
  const { spans, found } = narrowed(data.spans, route);
  const folded = new Set((route.params.get("fold") ?? "").split(",").filter(Boolean));
  const selected = chosen(route, data.spans);
  const choose = (id, { focus = false } = {}) => {
    change({}, id);
    if (focus) focusOn(id);
  };
  const fold = (id, on) => {
    const next = new Set(id === null ? [] : folded);
    if (on) next.add(id);
    else next.delete(id);
    change({ fold: [...next].join(",") });
    focusOn(selected?.span_id);
  };
  return [
    h(
      "div",
      { key: "head", class: "head" },
      h(
        "div",
        {},
        h("h1", { tabindex: -1, dir: "auto" }, nameOf(data)),
        h(
          "ul",
          { class: "facts" },
          h("li", {}, h("code", {}, route.traceId), copyButton("the trace's id", () => route.traceId)),
          h("li", {}, h("time", { datetime: iso(began_ns), title: iso(began_ns) }, moment(began_ns))),
          h("li", {}, duration(duration_ns)),
          h("li", {}, counted(total, "span")),
          h(
            "li",
            { class: errors > 0 ? "error" : null },
            errors === 0 ? "no errors" : counted(errors, "error"),
          ),
          data.spans[0]?.depth === 0 ? spentFacts(data.spans[0]) : null,
          source.live && data.spans[0]?.depth === 0
            ? h("li", {}, copyButton("the row as JSON", () => rowAsJson(route, data), "Copy the row as JSON"))
            : null,
        ),
      ),
      h("div", { class: "actions" }, beside(route, data, selected)),
    ),
    row(route, data) === null ? null : marks(row(route, data)),
    h(
      "div",
      { key: "trace", class: "trace" },
      h(
        "section",
        { class: "spans", "aria-label": "Spans of the trace" },
        narrowing(route, data.spans, found),
        axis(duration_ns),
        tree(spans, { selected: selected?.span_id, folded, choose, fold, duration_ns, found }),
        data.spans.length < total
          ? h(
              "a",
              { class: "button", href: changed(route, { spans: data.spans.length + LIMIT }) },
              `Show more: ${counted(total - data.spans.length, "span is", "spans are")} left`,
            )
          : null,
      ),
      selected === undefined ? null : detail(route, data, wholeSpan(route, data, selected)),
    ),
  ];
}

/** The row that can be marked; null where the trace is of none, or the page is a file. */
function row(route, { spans, source }) {
  const [root] = spans;
  const isRow = root && (root.parent_id ?? null) === null && (root.kind || "experiment") === "experiment";
  return source.live && isRow ? { source, experimentId: route.id, span: root } : null;
}

/** The row's span and its metrics, as they came. */
async function rowAsJson(route, { spans, source }) {
  const { span, metrics } = await source.span(route.id, spans[0].span_id);
  return `{"span": ${span}, "metrics": [${metrics.join(", ")}]}`;
}

function focusOn(id) {
  const item = document.getElementById(`span-${id}`);
  item?.focus({ preventScroll: true });
  item?.scrollIntoView({ block: "nearest" });
}

function beside(route, { spans, beside: { previous, next, position, total } }, selected) {
  if (position === undefined) return null;
  // A span that this trace lacks may be in the next one.
  const at = route.span === "" && !spanAt(spans, route.params.get("at")) ? route.params.get("at") : placeOf(spans, selected);
  const kept = passedOn(route);
  if (route.params.has("from")) kept.set("from", route.params.get("from"));
  if (at !== null) kept.set("at", at);
  for (const name of OWN) if (route.params.has(name)) kept.set(name, route.params.get(name));
  const to = (row) =>
    href(["experiments", route.id, "traces", row.trace_id], kept, at === null ? row.span_id : "");
  return [
    previous
      ? h("a", { class: "button", rel: "prev", href: to(previous), "data-keep": "scroll" }, "← Previous")
      : h("span", { class: "button off" }, "← Previous"),
    h("span", { class: "quiet" }, `row ${number(position + 1)} of ${number(total)}`),
    next
      ? h("a", { class: "button", rel: "next", href: to(next), "data-keep": "scroll" }, "Next →")
      : h("span", { class: "button off" }, "Next →"),
  ];
}

function axis(duration_ns) {
  return h(
    "div",
    { class: "axis", "aria-hidden": "true" },
    h("span", { class: "label" }),
    h(
      "span",
      { class: "lane" },
      [0, 0.25, 0.5, 0.75].map((share) =>
        h(
          "span",
          { class: "tick", vars: { "--start": String(share) } },
          share === 0 ? "0" : duration(duration_ns * share),
        ),
      ),
    ),
    h("span", { class: "took" }),
  );
}

export function keys(route, data) {
  const at = () => document.querySelector('[role="treeitem"][aria-selected="true"]');
  const pass = (key) => () => {
    const item = at();
    if (item === null) return;
    item.focus();
    item.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  };
  const click = (rel) => () => document.querySelector(`main a[rel=${rel}]`)?.click();
  const arrows = ["ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight"].map((key) => [
    key,
    (event) => (event.target.closest?.(".scrolls, details, button, a, .longtext") ? false : pass(key)()),
  ]);
  return { ...Object.fromEntries(arrows), j: click("next"), k: click("prev"), ...markKeys(() => row(route, data)) };
}
