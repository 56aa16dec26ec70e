// The scores of an experiment go in, a card for each label comes out: what was scored, what failed, what is missing.

import { h } from "./dom.js";
import { counted, number, percent } from "./format.js";
import { categories, histogram } from "./histogram.js";
import { changed } from "./router.js";

// One thing at a time is asked of the metrics.
const NONE = {
  label: null,
  min: null,
  max: null,
  below: null,
  value: null,
  failed: null,
  missing: null,
  offset: null,
};

/** A card for each label. A bar of a card leads to the rows in it. */
export function scoreCards(route, scores) {
  return scores.map((score) =>
    h(
      "article",
      { key: `score-${score.label}`, class: "card" },
      h("h2", { dir: "auto" }, score.label),
      headline(score),
      distribution(route, score),
      h("p", { class: "quiet" }, counts(route, score)),
    ),
  );
}

function headline(score) {
  const passed = score.passed ?? 0;
  const judged = passed + (score.not_passed ?? 0);
  const pass = judged > 0 ? h("span", { class: "quiet" }, ` · ${percent(passed, judged)} pass`) : null;
  if (score.mean !== null && score.mean !== undefined)
    return h("p", { class: "big" }, number(score.mean), h("span", { class: "quiet" }, " mean"), pass);
  const values = listed(score);
  const total = values.reduce((sum, [, count]) => sum + count, 0);
  if (score.metric_type === "boolean" && total > 0) {
    const yes = values.find(([name]) => name === "true")?.[1] ?? 0;
    return h("p", { class: "big" }, percent(yes, total), h("span", { class: "quiet" }, " true"), pass);
  }
  if (values.length > 0)
    return h(
      "p",
      { class: "big" },
      number(values.length),
      h("span", { class: "quiet" }, values.length === 1 ? " value" : " values"),
      pass,
    );
  return h(
    "p",
    { class: "big" },
    number(score.scored),
    h("span", { class: "quiet" }, score.metric_type === "json" ? " objects" : " scored"),
    pass,
  );
}

/** Values with counts, whichever way they came. */
function listed(score) {
  const found = score.histogram?.values ?? Object.entries(score.values ?? {});
  return Array.isArray(found) ? found : Object.entries(found);
}

function distribution(route, score) {
  const { params } = route;
  const mine = params.get("label") === score.label;
  if (score.histogram?.edges && score.histogram.counts.length > 0) {
    return histogram(score.histogram, {
      title: `Rows by ${score.label}`,
      active: (low) => mine && Number(params.get("min")) === low,
      address: (low, high, isLast) =>
        changed(route, { ...NONE, label: score.label, min: low, [isLast ? "max" : "below"]: high }),
    });
  }
  const values = listed(score);
  if (values.length === 0) return null;
  return categories(values, {
    others: score.histogram?.others ?? 0,
    title: `Rows by ${score.label}`,
    active: (name) => mine && params.get("value") === name,
    address: (name) => name !== "" && changed(route, { ...NONE, label: score.label, value: name }),
  });
}

function counts(route, score) {
  const parts = [counted(score.scored, "scored", "scored")];
  if (score.failed > 0)
    parts.push(
      h(
        "a",
        { class: "failed", href: changed(route, { ...NONE, label: score.label, failed: 1 }) },
        `${number(score.failed)} failed`,
      ),
    );
  if (score.missing > 0)
    parts.push(
      h(
        "a",
        { class: "missing", href: changed(route, { ...NONE, missing: score.label }) },
        `${number(score.missing)} missing`,
      ),
    );
  return parts.flatMap((part, index) => (index === 0 ? [part] : [" · ", part]));
}
