// A label's score goes in, the ranges and values come out that its rows can be narrowed down to.

import { number } from "./format.js";

/** What asks for no range: parameters of an address. */
export const ANY = {
  label: null,
  min: null,
  max: null,
  below: null,
  value: null,
  failed: null,
  not_applicable: null,
  missing: null,
};

/** `[{name, count, filter}]`, where `filter` is the parameters of an address. */
export function ranges(score) {
  const { label, histogram } = score;
  if (histogram?.edges) {
    const last = histogram.counts.length - 1;
    return histogram.counts.map((count, index) => {
      const [low, high] = [histogram.edges[index], histogram.edges[index + 1]];
      // A bin holds what lies from its low edge up to, not including, the high one; the last bin that too.
      return {
        name: `${number(low)} to ${number(high)}`,
        count,
        filter: { ...ANY, label, min: low, [index === last ? "max" : "below"]: high },
      };
    });
  }
  return values(score).map(([value, count]) => ({
    name: value === "" ? "(empty)" : value,
    count,
    filter: value === "" ? null : { ...ANY, label, value },
  }));
}

/** The categories of a score with their counts, or true and false. */
export function values(score) {
  return score.histogram?.values ?? Object.entries(score.values ?? {});
}

/** Whether a route asks for that range. */
export function isChosen(route, { filter }) {
  const given = ["label", "min", "max", "below", "value"];
  return (
    filter !== null && given.every((name) => (route.params.get(name) ?? "") === String(filter[name] ?? ""))
  );
}
