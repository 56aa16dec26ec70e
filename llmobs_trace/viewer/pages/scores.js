// The scores of an experiment go in, a card for each label comes out: what was scored, what failed, what is missing,
// what does not apply.

import { writeField } from "./conditions.js";
import { h } from "./dom.js";
import { counted, number, percent } from "./format.js";
import { categories, histogram } from "./histogram.js";
import { isChosen, labelled, rangeHref, ranges, values } from "./ranges.js";
import { go } from "./router.js";
import { narrowedTo } from "./where.js";

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
  const listed = values(score);
  const total = listed.reduce((sum, [, count]) => sum + count, 0);
  if (score.metric_type === "boolean" && total > 0) {
    const yes = listed.find(([name]) => name === "true")?.[1] ?? 0;
    return h("p", { class: "big" }, percent(yes, total), h("span", { class: "quiet" }, " true"), pass);
  }
  if (listed.length > 0)
    return h(
      "p",
      { class: "big" },
      number(listed.length),
      h("span", { class: "quiet" }, listed.length === 1 ? " value" : " values"),
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

function distribution(route, score) {
  const title = `Rows by ${score.label}`;
  const found = ranges(score);
  if (found.length === 0) return null;
  if (score.histogram?.edges) {
    return histogram(score.histogram, {
      title,
      active: (index) => isChosen(route, found[index]),
      chosen: (index) => go(rangeHref(route, found[index])),
    });
  }
  return categories(
    found.map((range) => ({
      ...range,
      active: isChosen(route, range),
      address: rangeHref(route, range),
    })),
    { title, others: score.histogram?.others ?? 0 },
  );
}

function counts(route, score) {
  const parts = [counted(score.scored, "scored", "scored")];
  const leading = (became) => narrowedTo(route, [`${writeField(labelled(score.label))}=${became}`]);
  if (score.failed > 0)
    parts.push(
      h(
        "a",
        { class: "failed", href: leading("failed") },
        `${number(score.failed)} failed`,
      ),
    );
  if (score.missing > 0)
    parts.push(
      h(
        "a",
        { class: "missing", href: leading("missing") },
        `${number(score.missing)} missing`,
      ),
    );
  if (score.not_applicable > 0)
    parts.push(
      h(
        "a",
        { href: leading("n/a") },
        `${number(score.not_applicable)} ${score.not_applicable === 1 ? "does" : "do"} not apply`,
      ),
    );
  return parts.flatMap((part, index) => (index === 0 ? [part] : [" · ", part]));
}
