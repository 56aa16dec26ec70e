// A histogram goes in, bars come out, each with its range and count in words; a bar may be one to click on.
//
// Bars are too thin to be links: what a click on one does, a list beside the rows does too (see ranges.js).

import { h } from "./dom.js";
import { counted, number } from "./format.js";

/**
 * `histogram` is `{edges, counts}`. `one(edge)` says an edge; `chosen(index)` is called for a bar that is clicked on;
 * `active(index)` says whether the rows of that bar are what is shown.
 */
export function histogram(
  { edges, counts },
  { title, one = number, chosen = null, noun = "row", active = () => false },
) {
  if (counts.length === 0) return null;
  // One bar says nothing but that it is the only one.
  if (counts.length === 1)
    return h("p", { class: "quiet" }, counts[0] === 1 ? `of one ${noun}` : `all ${counted(counts[0], noun)} alike`);
  const most = Math.max(...counts, 1);
  return h(
    "figure",
    { class: "histogram" },
    h(
      "ol",
      { "aria-label": title },
      counts.map((count, index) => {
        const said = `${one(edges[index])} to ${one(edges[index + 1])}: ${counted(count, noun)}`;
        const leads = chosen !== null && count > 0;
        return h(
          "li",
          {
            class: [active(index) && "active", leads && "leads"].filter(Boolean).join(" ") || null,
            title: said,
            on: leads ? { click: () => chosen(index) } : null,
          },
          h("span", { class: "bar", vars: { "--share": String(count / most) }, "aria-hidden": "true" }),
          h("span", { class: "unseen" }, said),
        );
      }),
    ),
    h(
      "figcaption",
      { "aria-hidden": "true" },
      h("span", {}, one(edges[0])),
      h("span", {}, one(edges[edges.length - 1])),
    ),
  );
}

/** Categories with their counts, the most frequent first: `{name, count, address, active}`; `others` are of none. */
export function categories(found, { title, others = 0, noun = "row", limit = found.length > 3 || others > 0 ? 2 : 3 }) {
  const sum = (some) => some.reduce((all, { count }) => all + count, 0);
  const total = sum(found) + others;
  const rest = sum(found.slice(limit)) + others;
  return h(
    "ol",
    { class: "categories", "aria-label": title },
    found.slice(0, limit).map(({ name, count, address, active }) => {
      const content = [
        h("span", { class: "name" }, name),
        h("span", { class: "count" }, number(count)),
        h("span", { class: "bar", vars: { "--share": String(count / total) }, "aria-hidden": "true" }),
      ];
      return h(
        "li",
        { class: active ? "active" : null },
        address
          ? h("a", { href: address, title: `Show the ${counted(count, noun)} with ${name}` }, content)
          : content,
      );
    }),
    rest > 0 ? h("li", { class: "quiet" }, `and ${counted(rest, noun)} with other values`) : null,
  );
}
