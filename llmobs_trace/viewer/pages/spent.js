// A span or a row goes in, what its model calls took comes out in a few words: tokens, money, and who says so.

import { h } from "./dom.js";
import { counted, dollars, number } from "./format.js";

const there = (value) => value !== null && value !== undefined;

/** Whether anything is known of a model call. */
export function hasSpent(span) {
  return [span.model, span.model_calls, span.input_tokens, span.output_tokens, span.cost_usd].some(there);
}

/** "1,200 → 34", in and out; of embeddings, which answer none, "1,200 in". */
export function tokens({ input_tokens: given, output_tokens: made }) {
  if (!there(made)) return there(given) ? `${number(given)} in` : "";
  return `${there(given) ? number(given) : "?"} → ${number(made)}`;
}

/** What it cost, with "~" where that was worked out and not stated; "unknown" is a word. */
export function costText({ cost_usd: amount, cost_from: from }) {
  return there(amount) ? `${from === "stated" ? "" : "~"}${dollars(amount)}` : "unknown";
}

/** The same, saying who says so. */
export function cost(span) {
  if (!there(span.cost_usd))
    return h("span", { class: "missing", title: "No price was stated, nor is one known for all of it" }, "unknown");
  const from = span.cost_from === "stated" ? "as the provider states it" : `worked out from the tokens with ${span.cost_from}`;
  return h("span", { title: from }, costText(span));
}

/** Whether the span's name says its model, as the one that was asked for: "gpt-4.1" of "gpt-4.1-2025-04-14". */
function isNamed({ name, model }) {
  return (name ?? "").split(" ").some((word) => word.length > 2 && model.startsWith(word));
}

/** A model's name without the date at its end, which is in the title. */
export function shortModel(model) {
  return model.replace(/[-@](?:20\d\d-?\d\d-?\d\d)$/, "");
}

/** A few words for a line of a tree; nothing where nothing is known. */
export function spentLine(span) {
  if (!hasSpent(span)) return null;
  const parts = [
    span.model && !isNamed(span) ? span.model : "",
    tokens(span),
    there(span.cost_usd) ? cost(span) : "",
  ].filter(Boolean);
  if (parts.length === 0) return null;
  return h(
    "span",
    { class: "spent", title: "tokens in → out, and what they cost" },
    parts.map((part, index) => [index > 0 ? " · " : null, part]),
  );
}

/** The facts of a call, as items of a list. */
export function spentFacts(span) {
  if (!hasSpent(span)) return [];
  const { model, provider, model_calls: calls, input_tokens: given, output_tokens: made } = span;
  const of = (count, what) => (there(count) && String(count) !== "0" ? ` (${Number.isFinite(Number(count)) ? number(Number(count)) : count} ${what})` : "");
  return [
    model ? h("li", { dir: "auto" }, h("strong", {}, model), provider ? ` (${provider})` : null) : null,
    there(calls) && (calls !== 1 || !model) ? h("li", {}, counted(calls, "model call")) : null,
    there(given) ? h("li", {}, `${counted(given, "token")} in${of(span.cached_tokens, "cached")}`) : null,
    there(made) ? h("li", {}, `${there(given) ? number(made) : counted(made, "token")} out${of(span.reasoning_tokens, "reasoning")}`) : null,
    h("li", {}, "cost ", cost(span)),
    span.finish_reason ? h("li", {}, `finished: ${span.finish_reason}`) : null,
    span.retries && span.retries !== "0" ? h("li", { class: "failed" }, counted(Number(span.retries) || 0, "retry", "retries")) : null,
  ];
}
