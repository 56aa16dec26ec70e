// One trace: its spans as a tree and a waterfall, and what the chosen one holds.

import { h } from "./dom.js";
import { counted, duration, iso, moment, number, shortId } from "./format.js";
import { neighbours } from "./neighbours.js";
import { change, changed, href } from "./router.js";
import { detail } from "./span_detail.js";
import { whole } from "./table.js";
import { tree } from "./tree.js";

const LIMIT = 500;

// A span that an address names is looked for among so many.
const MOST = 20_000;

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
    route.span !== "" && spans.length < MOST && !spans.some((span) => span.span_id === route.span);
  while (spans.length < first.total && (spans.length < wanted || isSought())) {
    const more = await page(spans.length);
    if (more.spans.length === 0) break;
    spans.push(...more.spans);
  }
  const { row_id: row, began_ns, duration_ns, total } = first;
  return {
    traceId: route.traceId,
    spans,
    row,
    began_ns,
    duration_ns,
    total,
    experiment: summary,
    beside,
    source,
  };
}

export function title(route, data) {
  return `${nameOf(data)} · ${data.experiment.name ?? shortId(data.experiment.id)}`;
}

export function path(route, data) {
  const { experiment } = data;
  const back = new URLSearchParams(route.params);
  back.delete("fold");
  back.delete("spans");
  return [
    ["Experiments", href(["experiments"])],
    [experiment.name ?? shortId(experiment.id), href(["experiments", route.id], back)],
    [nameOf(data), href(["experiments", route.id, "traces", route.traceId])],
  ];
}

function nameOf({ row, spans }) {
  return row ?? spans[0]?.name ?? "trace";
}

export function view(route, data) {
  const { spans, total, duration_ns, began_ns } = data;
  const folded = new Set((route.params.get("fold") ?? "").split(",").filter(Boolean));
  const chosen = spans.find((span) => span.span_id === route.span) ?? spans[0];
  const choose = (id, { focus = false } = {}) => {
    change({}, id);
    if (focus) focusOn(id);
  };
  const fold = (id, on) => {
    const next = new Set(id === null ? [] : folded);
    if (on) next.add(id);
    else next.delete(id);
    change({ fold: [...next].join(",") });
    focusOn(chosen?.span_id);
  };
  const errors = spans.filter((span) => span.status === "error").length;
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
          h("li", {}, h("code", {}, route.traceId)),
          h("li", {}, h("time", { datetime: iso(began_ns), title: iso(began_ns) }, moment(began_ns))),
          h("li", {}, duration(duration_ns)),
          h("li", {}, counted(total, "span")),
          h(
            "li",
            { class: errors > 0 ? "error" : null },
            errors === 0 ? "no errors" : counted(errors, "error"),
          ),
        ),
      ),
      h("div", { class: "actions" }, beside(route, data.beside)),
    ),
    h(
      "div",
      { key: "trace", class: "trace" },
      h(
        "section",
        { class: "spans", "aria-label": "Spans of the trace" },
        axis(duration_ns),
        tree(spans, { selected: chosen?.span_id, folded, choose, fold, duration_ns }),
        spans.length < total
          ? h(
              "a",
              { class: "button", href: changed(route, { spans: spans.length + LIMIT }) },
              `Show more: ${counted(total - spans.length, "span is", "spans are")} left`,
            )
          : null,
      ),
      chosen === undefined ? null : detail(route, data, chosen),
    ),
  ];
}

function focusOn(id) {
  const item = document.getElementById(`span-${id}`);
  item?.focus({ preventScroll: true });
  item?.scrollIntoView({ block: "nearest" });
}

function beside(route, { previous, next, position, total }) {
  if (position === undefined) return null;
  const to = (row) => href(["experiments", route.id, "traces", row.trace_id], kept(route), row.span_id);
  return [
    previous
      ? h("a", { class: "button", rel: "prev", href: to(previous) }, "← Previous")
      : h("span", { class: "button off" }, "← Previous"),
    h("span", { class: "quiet" }, `row ${number(position + 1)} of ${number(total)}`),
    next
      ? h("a", { class: "button", rel: "next", href: to(next) }, "Next →")
      : h("span", { class: "button off" }, "Next →"),
  ];
}

function kept(route) {
  const params = new URLSearchParams(route.params);
  params.delete("fold");
  params.delete("spans");
  return params;
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

export function keys() {
  const at = () => document.querySelector('[role="treeitem"][aria-selected="true"]');
  const pass = (key) => () => {
    const item = at();
    if (item === null) return;
    item.focus();
    item.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  };
  return Object.fromEntries(
    ["ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight", "j", "k"].map((key) => [
      key,
      (event) =>
        event.target.closest?.(".scrolls, details, button, a, .longtext") && key.startsWith("Arrow")
          ? false
          : pass(key)(),
    ]),
  );
}
