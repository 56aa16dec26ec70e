// The spans of a trace go in, those come out that its reader wants to see: by kind, and by a text that is in them.

import { h } from "./dom.js";
import { counted, number } from "./format.js";
import { change } from "./router.js";
import { search } from "./table.js";

/** What an address says of it, which the next trace is narrowed down by, too. */
export const OWN = ["find", "without"];

const NONE = "no kind";

/** `{spans, found}`: the spans to show, and the ids of those that have what is looked for; null where nothing is. */
export function narrowed(spans, { params }) {
  const without = hidden(params);
  // What is below a span that is left out takes its place.
  const kept = without.size === 0 ? spans : moved(spans, ({ kind, depth }) => depth === 0 || !without.has(kind ?? NONE));
  const words = (params.get("find") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return { spans: kept, found: null };
  const found = new Set(kept.filter((span) => has(span, words)).map(({ span_id: id }) => id));
  return { spans: withAbove(kept, found), found };
}

function hidden(params) {
  return new Set((params.get("without") ?? "").split("\n").filter(Boolean));
}

function moved(spans, isKept) {
  const kept = [];
  const above = []; // of each span above, whether it is kept
  for (const span of spans) {
    above.length = span.depth;
    const isHere = isKept(span);
    if (isHere) kept.push({ ...span, depth: above.filter(Boolean).length });
    above.push(isHere);
  }
  kept.forEach((span, index) => {
    span.has_children = (kept[index + 1]?.depth ?? 0) > span.depth;
  });
  return kept;
}

/** Those found, and the spans that they are below. */
function withAbove(spans, found) {
  const kept = [];
  let depth = 0; // of the span above the one that was kept last
  for (let index = spans.length - 1; index >= 0; index -= 1) {
    const span = spans[index];
    const isAbove = kept.length > 0 && span.depth < depth;
    if (!found.has(span.span_id) && !isAbove) continue;
    depth = span.depth;
    kept.push(span);
  }
  return kept.reverse();
}

function has(span, words) {
  const { name, kind, error_type: type, error_message: message, model, tags, input, output, expected_output: expected } = span;
  const text = [name, kind, type, message, model, ...(tags ?? []), input, output, expected].filter(Boolean).join("\n").toLowerCase();
  return words.every((word) => text.includes(word));
}

/** The controls: a search, and a button for each kind that there is. */
export function narrowing(route, spans, found) {
  if (spans.length < 2) return null;
  const kinds = new Map();
  for (const { kind } of spans) kinds.set(kind ?? NONE, (kinds.get(kind ?? NONE) ?? 0) + 1);
  const without = hidden(route.params);
  const toggle = (kind) => {
    const next = new Set(without);
    if (!next.delete(kind)) next.add(kind);
    change({ without: [...next].join("\n") || null });
  };
  return h(
    "div",
    { class: "narrowing", role: "search", "aria-label": "Narrow down the spans" },
    search(route, "Search this trace", (text) => change({ find: text }), "find"),
    found === null ? null : h("span", { class: "quiet", role: "status" }, `${number(found.size)} of ${counted(spans.length, "span")}`),
    kinds.size < 2
      ? null
      : h(
          "span",
          { class: "kinds", role: "group", "aria-label": "Kinds of spans" },
          [...kinds].map(([kind, count]) =>
            h(
              "button",
              { key: kind, type: "button", class: "quiet", "aria-pressed": String(!without.has(kind)), on: { click: () => toggle(kind) } },
              h("span", { class: `swatch kind-${kind === NONE ? "none" : kind}`, "aria-hidden": "true" }),
              `${kind} `,
              h("span", { class: "quiet" }, number(count)),
            ),
          ),
        ),
  );
}
