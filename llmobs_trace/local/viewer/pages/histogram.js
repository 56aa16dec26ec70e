// A histogram goes in, bars come out, each with its range and count in words; a bar may be a link that filters.

import { h } from "./dom.js";
import { counted, number } from "./format.js";

/**
 * `histogram` is `{edges, counts}`. `one(edge)` says an edge; `address(low, high, isLast)` gives where a bar leads,
 * or null: a bar holds what lies from its low edge up to, not including, the high one, the last that too;
 * `active(low)` whether the rows of that bar are what is shown.
 */
export function histogram(
  histogram,
  { title, one = number, address = () => null, noun = "row", active = () => false },
) {
  const { edges, counts } = histogram;
  if (counts.length === 0) return null;
  const most = Math.max(...counts, 1);
  return h(
    "figure",
    { class: "histogram" },
    h(
      "ol",
      { "aria-label": title },
      counts.map((count, index) => {
        const [low, high] = [edges[index], edges[index + 1] ?? edges[index]];
        const said = `${one(low)} to ${one(high)}: ${counted(count, noun)}`;
        const bar = h("span", {
          class: "bar",
          vars: { "--share": String(count / most) },
          "aria-hidden": "true",
        });
        const to = count > 0 ? address(low, high, index === counts.length - 1) : null;
        return h(
          "li",
          { class: active(low) ? "active" : null, title: said },
          to === null
            ? [bar, h("span", { class: "unseen" }, said)]
            : h("a", { href: to, "aria-label": `${said}. Show them` }, bar),
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

/** Categories with their counts, the most frequent first: `values` is `[[name, count]…]`, `others` have none of those. */
export function categories(
  values,
  { title, others = 0, address = () => null, active = () => false, noun = "row", limit = 5 },
) {
  const sum = (counts) => counts.reduce((all, [, count]) => all + count, 0);
  const total = sum(values) + others;
  const shown = values.slice(0, limit);
  const rest = sum(values.slice(limit)) + others;
  return h(
    "ol",
    { class: "categories", "aria-label": title },
    shown.map(([name, count]) => {
      const content = [
        h("span", { class: "name" }, name === "" ? "(empty)" : name),
        h("span", { class: "count" }, number(count)),
        h("span", {
          class: "bar",
          vars: { "--share": String(total ? count / total : 0) },
          "aria-hidden": "true",
        }),
      ];
      const to = address(name);
      return h(
        "li",
        { class: active(name) ? "active" : null },
        !to ? content : h("a", { href: to, title: `Show the ${counted(count, noun)} with ${name}` }, content),
      );
    }),
    rest > 0 ? h("li", { class: "quiet" }, `and ${counted(rest, noun)} with other values`) : null,
  );
}
