// A row of several experiments and a label go in, whether the first is outdone or outdoes comes out: better, or worse.

import { h } from "./dom.js";

const SIGNS = { better: "▲", worse: "▼" };

/** "better" or "worse" than the first, if any other is; null where nobody says which value is better. */
export function turnOf(row, letters, label, comparisons) {
  const turns = letters.slice(1).map((letter, index) => {
    const metric = comparisons[index]?.metrics.find((each) => !each.builtin && each.label === label);
    if (!metric?.direction) return null;
    const [before, after] = [row[letters[0]], row[letter]].map((side) => numberOf(side, label, metric.kind));
    if (before === null || after === null || before === after) return null;
    return after > before === (metric.direction === "higher") ? "better" : "worse";
  });
  return turns.includes("worse") ? "worse" : turns.includes("better") ? "better" : null;
}

/** Told by a sign and a word as well as by colour. */
export function turned(turn) {
  return [h("span", { "aria-hidden": "true" }, `${SIGNS[turn]} `), h("span", { class: "unseen" }, `${turn}: `)];
}

function numberOf(row, label, kind) {
  const found = (row?.metrics ?? []).filter((metric) => metric.label === label);
  if (found.length === 0 || found.some(({ failed }) => failed)) return null;
  const numbers = found
    .map(({ value, assessment }) => (kind === "assessment" ? assessment && (assessment === "pass" ? 1 : 0) : typeof value === "string" ? null : value))
    .filter((each) => each !== null && each !== undefined)
    .map(Number);
  return numbers.length === 0 ? null : numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
}
