// One span goes in, all that it holds comes out: its error and stack, metrics, values, tags, and the event itself.

import { copyButton } from "./copy.js";
import { h, island, patch } from "./dom.js";
import { duration } from "./format.js";
import { brief, member, parse } from "./json.js";
import { longText } from "./longtext.js";
import { metricValue, status } from "./metric.js";
import { href } from "./router.js";
import { hasSpent, spentFacts } from "./spent.js";
import { value } from "./value.js";

/** The section about a span of a route's trace. */
export function detail(route, { source }, span) {
  const of = (field) => ({
    part: field,
    cut: span[`${field}_cut`] === true,
    leftOut: span[`${field}_left_out`] ?? 0,
    waiting: span.rest === "asked",
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
      h("li", {}, h("code", {}, span.span_id), copyButton("the span's id", () => span.span_id)),
      h("li", {}, copyButton("a link to the span", () => linkTo(route, span), "Copy link")),
    ),
    hasSpent(span) ? h("ul", { class: "facts", "aria-label": "Model call" }, spentFacts(span)) : null,
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

/** Where it is, whatever list it was come from. */
function linkTo(route, span) {
  return new URL(href(["experiments", route.id, "traces", route.traceId], {}, span.span_id), location.href).href;
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
      ? island(`stack-${span.error_stack}`, () => longText(span.error_stack, { className: "code unwrapped" }))
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
  if (found.length === 0) return null;
  return part(
    "Tags",
    h(
      "ul",
      { class: "tags" },
      found.map((tag) => h("li", { dir: "auto" }, tag)),
    ),
  );
}

function wire(route, source, span) {
  const box = document.createElement("div");
  const load = async () => {
    try {
      const answer = await source.span(route.id, span.span_id);
      patch(box, [value(answer.span, { part: "event" })]);
    } catch (error) {
      patch(box, [h("p", { class: "failed" }, String(error.message))]);
    }
  };
  queueMicrotask(() => box.closest("details")?.addEventListener("toggle", load, { once: true }));
  return box;
}
