// A histogram goes in, bars come out, each with its range and count in words; a bar may be a link that filters.

import { h } from "./dom.js";
import { counted, number } from "./format.js";

/**
 * `histogram` is `{edges, counts}`. `one(edge)` says an edge; `address(low, high)` gives where a bar leads, or null;
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
        const to = count > 0 ? address(low, high) : null;
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

/** Categories with their counts, the most frequent first: `values` is `[[name, count]…]`. */
export function categories(
  values,
  { title, address = () => null, active = () => false, noun = "row", limit = 5 },
) {
  const total = values.reduce((sum, [, count]) => sum + count, 0);
  const shown = values.slice(0, limit);
  const rest = values.slice(limit);
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
        to === null
          ? content
          : h("a", { href: to, title: `Show the ${counted(count, noun)} with ${name}` }, content),
      );
    }),
    rest.length > 0
      ? h(
          "li",
          { class: "quiet" },
          `and ${counted(rest.length, "more value")}, ${counted(
            rest.reduce((sum, [, count]) => sum + count, 0),
            noun,
          )}`,
        )
      : null,
  );
}
