// The spans of a trace in tree order go in, a tree comes out with its waterfall, moved through with the arrows.

import { h } from "./dom.js";
import { duration, number } from "./format.js";
import { spentLine } from "./spent.js";

/** Which spans are seen when those in `folded` (a set of span ids) hide what is below them. */
export function seen(spans, folded) {
  const found = [];
  let hiddenBelow = Infinity;
  for (const span of spans) {
    if (span.depth > hiddenBelow) continue;
    hiddenBelow = folded.has(span.span_id) ? span.depth : Infinity;
    found.push(span);
  }
  return found;
}

/**
 * The tree. `selected` is the span id that is looked at, `choose(id)` looks at another, `fold(id, folded)` folds.
 * `duration_ns`: of the whole trace. `found`: the ids of spans that were searched for.
 */
export function tree(spans, { selected, folded, choose, fold, duration_ns, found = null }) {
  const visible = seen(spans, folded);
  const onKey = (event) => move(event, { visible, folded, selected, choose, fold });
  return h(
    "ul",
    { class: "tree", role: "tree", "aria-label": "Spans", on: { keydown: onKey } },
    visible.map((span) => {
      const parent = span.has_children;
      const isFolded = folded.has(span.span_id);
      const isSelected = span.span_id === selected;
      const start = duration_ns > 0 ? span.offset_ns / duration_ns : 0;
      const length = duration_ns > 0 ? span.duration_ns / duration_ns : 1;
      return h(
        "li",
        {
          key: span.span_id,
          id: `span-${span.span_id}`,
          role: "treeitem",
          tabindex: isSelected ? 0 : -1,
          "aria-level": span.depth + 1,
          "aria-selected": isSelected ? "true" : "false",
          "aria-expanded": parent ? String(!isFolded) : null,
          "aria-label": label(span),
          class: ["node", span.status, found === null ? "" : found.has(span.span_id) ? "found" : "around"].filter(Boolean).join(" "),
          vars: { "--depth": String(Math.min(span.depth, 24)) },
          on: { click: () => choose(span.span_id) },
        },
        h(
          "span",
          { class: "label" },
          parent
            ? h(
                "span",
                {
                  class: "fold",
                  "aria-hidden": "true",
                  on: {
                    click: (event) => {
                      event.stopPropagation();
                      fold(span.span_id, !isFolded);
                    },
                  },
                },
                isFolded ? "▸" : "▾",
              )
            : h("span", { class: "fold", "aria-hidden": "true" }),
          h("span", { class: "name", dir: "auto" }, span.name),
          h("span", { class: "kind" }, span.kind ?? ""),
          span.model_calls && span.depth === 0 ? null : spentLine(span),
          span.attempt ? h("span", { class: "quiet" }, `attempt ${span.attempt}, cut off`) : null,
          span.status === "error"
            ? h("span", { class: "status error" }, "✗ ", span.error_type ?? "error")
            : null,
          span.metrics.some((metric) => metric.failed)
            ? h("span", { class: "failed" }, "evaluator failed")
            : null,
        ),
        h(
          "span",
          { class: "lane", "aria-hidden": "true" },
          h(
            "span",
            {
              class: `bar kind-${span.kind ?? "none"} ${span.status}`,
              vars: { "--start": String(start), "--length": String(length) },
            },
            span.first_item_ns !== null && span.first_item_ns !== undefined && span.duration_ns > 0
              ? h("span", {
                  class: "first",
                  vars: { "--at": String(Math.min(1, span.first_item_ns / span.duration_ns)) },
                })
              : null,
          ),
        ),
        h("span", { class: "took" }, duration(span.duration_ns)),
      );
    }),
  );
}

function label(span) {
  const words = [
    span.name,
    span.kind,
    `took ${duration(span.duration_ns)}`,
    `after ${duration(span.offset_ns)}`,
  ];
  if (span.status === "error") words.push(`error ${span.error_type ?? ""}`);
  const failed = span.metrics.filter((metric) => metric.failed).length;
  if (failed > 0) words.push(`${number(failed)} failed evaluators`);
  return words.filter(Boolean).join(", ");
}

function move(event, { visible, folded, selected, choose, fold }) {
  const here = Math.max(
    0,
    visible.findIndex((span) => span.span_id === selected),
  );
  const span = visible[here];
  const to = {
    ArrowDown: () => visible[here + 1],
    ArrowUp: () => visible[here - 1],
    Home: () => visible[0],
    End: () => visible[visible.length - 1],
    ArrowRight: () =>
      folded.has(span.span_id)
        ? fold(span.span_id, false)
        : span.has_children
          ? visible[here + 1]
          : undefined,
    ArrowLeft: () =>
      span.has_children && !folded.has(span.span_id) ? fold(span.span_id, true) : parentOf(visible, here),
    "*": () => fold(null, false),
  }[event.key];
  if (to === undefined || event.metaKey || event.ctrlKey || event.altKey) return;
  event.preventDefault();
  const next = to();
  if (next?.span_id !== undefined) choose(next.span_id, { focus: true });
}

function parentOf(visible, here) {
  for (let index = here - 1; index >= 0; index -= 1)
    if (visible[index].depth < visible[here].depth) return visible[index];
  return undefined;
}
