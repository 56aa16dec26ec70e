// One trace: its spans as a tree and a waterfall, and what the chosen one holds.

import { h, island, patch } from "./dom.js";
import { counted, duration, iso, moment, number, shortId } from "./format.js";
import { brief, member, parse } from "./json.js";
import { longText } from "./longtext.js";
import { metricValue, status } from "./metric.js";
import { neighbours } from "./neighbours.js";
import { change, changed, href } from "./router.js";
import { tree } from "./tree.js";
import { value } from "./value.js";

const LIMIT = 500;

export async function load(route, source, before) {
  const wanted = Math.max(
    LIMIT,
    route.params.has("spans") ? Number(route.params.get("spans")) || LIMIT : LIMIT,
  );
  const [first, summary, beside] = await Promise.all([
    source.trace(route.id, route.traceId, { limit: LIMIT }),
    before?.experiment?.id === route.id
      ? before.experiment
      : source.experiment(route.id).then((found) => found.experiment),
    neighbours(route, source).catch(() => ({})),
  ]);
  const spans = [...first.spans];
  while (spans.length < Math.min(wanted, first.total ?? spans.length)) {
    const more = await source.trace(route.id, route.traceId, { limit: LIMIT, offset: spans.length });
    if (more.spans.length === 0) break;
    spans.push(...more.spans);
  }
  return { ...timed(first, spans), experiment: summary, beside, source, row: first.row_id ?? null };
}

function timed(answer, spans) {
  const began_ns = answer.began_ns ?? spans.reduce((least, span) => Math.min(least, span.start_ns), Infinity);
  const placed = spans.map((span) => ({ ...span, offset_ns: span.offset_ns ?? span.start_ns - began_ns }));
  const duration_ns =
    answer.duration_ns ?? placed.reduce((most, span) => Math.max(most, span.offset_ns + span.duration_ns), 0);
  return { spans: placed, began_ns, duration_ns, total: answer.total ?? placed.length };
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
              `Show more: ${number(total - spans.length)} spans are left`,
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

function detail(route, { source }, span) {
  const of = (field) => ({
    cut: span[`${field}_cut`] === true,
    whole: async () => wholeField(await source.span(route.id, span.span_id), field),
  });
  return h(
    "section",
    { key: `detail-${span.span_id}`, class: "detail", "aria-label": `Span ${span.name}` },
    h("h2", { dir: "auto" }, span.name),
    h(
      "ul",
      { class: "facts" },
      h("li", {}, span.kind ?? "no kind"),
      h("li", {}, status(span)),
      h("li", {}, `took ${duration(span.duration_ns)}`),
      span.offset_ns > 0 ? h("li", {}, `began after ${duration(span.offset_ns)}`) : null,
      span.first_item_ns === null || span.first_item_ns === undefined
        ? null
        : h("li", {}, `first item after ${duration(span.first_item_ns)}`),
      span.exhausted === false ? h("li", {}, "not run to its end") : null,
      h("li", {}, h("code", {}, span.span_id)),
    ),
    span.status === "error" || span.error_message ? failure(span) : null,
    span.metrics.length > 0 ? metrics(span.metrics) : null,
    part("Input", value(span.input, of("input"))),
    part("Output", value(span.output, of("output"))),
    span.expected_output === null || span.expected_output === undefined
      ? null
      : part("Expected", value(span.expected_output, of("expected_output"))),
    tags(span.tags ?? []),
    source.live &&
      h(
        "details",
        { class: "wire" },
        h("summary", {}, "The event as on the wire"),
        island(`wire-${span.span_id}`, () => wire(route, source, span)),
      ),
  );
}

function wholeField(answer, field) {
  const found = member(member(parse(answer.span), "meta"), field);
  if (found === undefined) throw new Error(`the span has no ${field}`);
  return answer.span.slice(found.from, found.to);
}

function part(name, content) {
  return h("section", { class: "part" }, h("h3", {}, name), content);
}

function failure(span) {
  return h(
    "section",
    { class: "part failure" },
    h("h3", {}, "Error"),
    h(
      "p",
      { class: "said" },
      h("strong", { dir: "auto" }, span.error_type ?? "error"),
      span.error_message ? ": " : null,
      span.error_message ? h("span", { dir: "auto" }, span.error_message.slice(0, 4000)) : null,
    ),
    span.error_stack
      ? island(`stack-${span.error_stack}`, () => longText(span.error_stack, { className: "code" }))
      : h("p", { class: "quiet" }, "No stack was recorded."),
  );
}

function metrics(found) {
  return h(
    "section",
    { class: "part" },
    h("h3", {}, "Metrics"),
    h(
      "table",
      { class: "metrics" },
      h(
        "thead",
        { class: "unseen" },
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "Label"),
          h("th", { scope: "col" }, "Value"),
          h("th", { scope: "col" }, "Reasoning, or why it failed"),
        ),
      ),
      h(
        "tbody",
        {},
        found.map((metric) =>
          h(
            "tr",
            {},
            h("th", { scope: "row", dir: "auto" }, metric.label),
            h("td", {}, metricValue(metric)),
            h(
              "td",
              { class: metric.failed ? "failed" : "quiet", dir: "auto" },
              metric.failed
                ? metric.error_message || "it did not say why"
                : [
                    metric.reasoning ?? "",
                    metric.metadata ? h("code", {}, ` ${short(metric.metadata)}`) : null,
                  ],
            ),
          ),
        ),
      ),
    ),
  );
}

function short(metadata) {
  const read = typeof metadata === "string" ? parse(metadata) : null;
  return read === null ? String(metadata) : brief(read, 200);
}

function tags(found) {
  // Shown elsewhere on this page, in words.
  const others = found.filter((tag) => !/^(parent_id|span_kind|time_to_first_item_ns|exhausted):/.test(tag));
  if (others.length === 0) return null;
  return part(
    "Tags",
    h(
      "ul",
      { class: "tags" },
      others.map((tag) => h("li", { dir: "auto" }, tag)),
    ),
  );
}

function wire(route, source, span) {
  const box = document.createElement("div");
  const load = async () => {
    try {
      const answer = await source.span(route.id, span.span_id);
      patch(box, [value(answer.span)]);
    } catch (error) {
      patch(box, [h("p", { class: "failed" }, String(error.message))]);
    }
  };
  queueMicrotask(() => box.closest("details")?.addEventListener("toggle", load, { once: true }));
  return box;
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
