// A score or a histogram goes in, the ranges and values come out that its rows can be narrowed down to.

import { write, writeField, writeText } from "./conditions.js";
import { number } from "./format.js";
import { conditionsOf, narrowedTo } from "./where.js";

/** The field of a label. */
export const labelled = (name) => ({ word: "metric", name });

/** `[{name, count, conditions}]`, where `conditions` are those that a range is, or null. */
export function ranges(score) {
  const { label, histogram } = score;
  const field = labelled(label);
  if (histogram?.edges) return bins(histogram, field, (edge) => String(edge), number);
  // Without values of its own, what it passes and fails.
  const isAssessed = Object.keys(score.values ?? {}).length === 0;
  return values(score).map(([value, count]) => ({
    name: value === "" ? "(empty)" : value,
    count,
    conditions: [isAssessed || score.metric_type === "boolean" ? `${writeField(field)}=${value}` : writeText(field, value)],
  }));
}

/** The ranges of a histogram: a bin goes up to, not including, its high edge; the last one includes it. */
export function bins({ edges, counts }, field, said, shown) {
  const last = counts.length - 1;
  return counts.map((count, index) => ({
    name: `${shown(edges[index])} to ${shown(edges[index + 1])}`,
    count,
    conditions: [
      write({ field, sign: ">=", value: said(edges[index]) }),
      write({ field, sign: index === last ? "<=" : "<", value: said(edges[index + 1]) }),
    ],
  }));
}

/** The categories of a score with their counts, or true and false. */
export function values(score) {
  return score.histogram?.values ?? Object.entries(score.values ?? {});
}

/** Whether a route asks for that range. */
export function isChosen(route, { conditions }) {
  const asked = conditionsOf(route);
  return conditions.every((each) => asked.includes(each));
}

/** The address with that range in the place of what was asked of its field. */
export function rangeHref(route, { conditions }) {
  return narrowedTo(route, conditions);
}
