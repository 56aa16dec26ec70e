// One row of several experiments: what went in, and their whole answers beside one another, to read.
//
// Row and list are in the address: `read` is a span of the row, the rest says of which rows it is one, in which order.

import { wholeAnswers } from "./answers.js";
import { askedRows, filters } from "./compared_filters.js";
import { isFlip, said, traceOf } from "./compared_rows.js";
import { directions } from "./direction.js";
import { h } from "./dom.js";
import { duration, number, shortId } from "./format.js";
import { markKeys, marks } from "./marks.js";
import { status } from "./metric.js";
import { rowName } from "./repeats.js";
import { go, change, changed, current } from "./router.js";
import { costText, hasSpent, tokens } from "./spent.js";
import { turnOf, turned } from "./turn.js";
import { value } from "./value.js";

// Of an answer that is longer, the beginning is shown.
const FOLDED = 12_000;

export async function load(route, source, before, ids, letters) {
  const said = directions(route);
  const params = { ...askedRows(route), ...said };
  const found = await source.compareRow(ids, { ...params, at: route.params.get("read") });
  const compared = JSON.stringify([ids, said, found.revision]);
  const isKnown = before?.compared === compared && !before.pending;
  const { row } = found;
  const [answer, ...shown] = await Promise.all([
    isKnown ? null : source.compare(ids, said),
    ...letters.map((letter, index) => (row?.[letter] ? source.shown(ids[index], row[letter]) : null)),
  ]);
  // Each row is read from its beginning.
  if (before?.read === undefined || focusAbove(before.read) !== focusAbove(row)) requestAnimationFrame(() => scrollTo(0, 0));
  const comparisons = isKnown ? before.comparisons : (answer.comparisons ?? [answer]);
  return {
    read: row,
    source,
    ids,
    params,
    letters,
    comparisons,
    compared,
    pending: !isKnown && answer.pending === true,
    experiments: isKnown ? before.experiments : answer.pending ? answer.experiments : [comparisons[0].a, ...comparisons.map(({ b }) => b)],
    position: found.position,
    total: found.total,
    previous: found.previous,
    next: found.next,
    shown,
  };
}

export function title(row) {
  return row === null ? "No row" : rowName(row, "A row", row.run_iteration > 1);
}

/** What to go on from in the list of rows. */
export function focusAbove(row) {
  const first = row && Object.values(row).find((each) => each?.span_id);
  return first ? `open-${first.span_id}` : null;
}

/** The keys, which do what the links and buttons do. */
export function keys(route, data) {
  const click = (selector) => () => document.querySelector(selector)?.click();
  return {
    j: click("main a[rel=next]"),
    k: click("main a[rel=prev]"),
    r: () => toRegression(data),
    d: click("main .differences"),
    ...markKeys(() => marked(route, data)),
    ...Object.fromEntries(data.letters.map((letter, index) => [String(index + 1), () => change({ whose: letter })])),
  };
}

async function toRegression({ source, ids, params }) {
  const at = current().params.get("read");
  const { next_regression: next } = await source.compareRow(ids, { ...params, at, regression: 1 });
  const place = document.querySelector("main .told");
  if (next !== null && current().params.get("read") === at) go(changed(current(), { read: next }), { replace: true });
  else if (place) place.textContent = "There is no regression after this row.";
}

export function view(route, data) {
  const { read: row, letters, shown, experiments } = data;
  return [
    head(route, data),
    h("div", { key: "filters" }, filters(route, data, data.comparisons)),
    row === null
      ? h("div", { key: "empty", class: "empty" }, h("p", {}, "No row is like that."))
      : h(
          "div",
          { key: `row-${focusAbove(row)}`, class: "reading" },
          asking(row, letters, shown),
          marksOf(route, data),
          answers(route, data),
          scores(row, letters, shown, data, experiments),
        ),
  ];
}

function head(route, data) {
  const { read: row, position, total, previous, next } = data;
  const beside = (name, rel, to, key) =>
    to === null
      ? h("span", { class: "button off" }, name)
      : h("a", { class: "button", rel, href: changed(route, { read: to }), "aria-keyshortcuts": key }, name);
  return h(
    "div",
    { key: "head", class: "head" },
    h(
      "div",
      {},
      h("h1", { tabindex: -1, dir: "auto" }, title(row)),
      h("p", { class: "quiet told", role: "status" }, place(position, total)),
    ),
    h(
      "div",
      { class: "actions" },
      beside("← Previous", "prev", previous, "k"),
      beside("Next →", "next", next, "j"),
      h("button", { type: "button", "aria-keyshortcuts": "r", on: { click: () => toRegression(data) } }, "Next regression"),
      h(
        "a",
        {
          class: route.params.has("diff") ? "button differences on" : "button differences",
          href: changed(route, { diff: route.params.has("diff") ? null : 1 }),
          "aria-keyshortcuts": "d",
        },
        route.params.has("diff") ? "Hide the differences" : "Show the differences",
      ),
    ),
  );
}

function place(position, total) {
  if (position === null) return `not among the ${number(total)} rows that are asked for`;
  return `row ${number(position + 1)} of ${number(total)}`;
}

/** What was asked, and what was expected: of whichever has it. */
function asking(row, letters, shown) {
  const of = (field) => shown.find((each) => each && each[field] !== null && each[field] !== undefined);
  const [given, expected] = [of("input"), of("expected_output")];
  return h(
    "div",
    { class: "asking" },
    part("Input", given, "input"),
    expected === undefined ? null : part("Expected", expected, "expected_output"),
  );
}

function part(name, span, field) {
  return h("section", { class: "part", "aria-label": name }, h("h2", {}, name), span === undefined ? h("p", { class: "missing" }, "None was recorded.") : whole(span, field));
}

function whole(span, field) {
  return value(span[field], { part: field, folded: FOLDED, cut: span[`${field}_cut`], leftOut: span[`${field}_left_out`] ?? 0 });
}

function answers(route, { read: row, letters, shown, experiments, source }) {
  const isMarked = route.params.has("diff");
  return [
    h(
      "div",
      { class: "columns", vars: { "--sides": String(letters.length) } },
      letters.map((letter, index) =>
        h(
          "section",
          { key: `side-${letter}`, class: isMarked ? "side bare" : "side", "aria-label": `${letter.toUpperCase()}'s answer` },
          sideHead(route, letter, row[letter], experiments[index]),
          !row[letter]
            ? h("p", { class: "missing" }, "This row is not in this one.")
            : isMarked
              ? null
              : answer(row[letter], shown[index]),
        ),
      ),
    ),
    isMarked ? h("div", { key: "marked", class: "compared" }, wholeAnswers(row, letters, experiments, source)) : null,
  ];
}

/** The letter of whose answer is meant: the last that has the row, unless another is chosen. */
function whose(route, { read: row, letters }) {
  const there = letters.filter((letter) => row?.[letter]);
  const chosen = route.params.get("whose");
  return there.includes(chosen) ? chosen : (there.at(-1) ?? null);
}

/** The row that is marked, with what was said of it. */
function marked(route, data) {
  const letter = whose(route, data);
  if (letter === null || !data.source.live) return null;
  const index = data.letters.indexOf(letter);
  const span = { ...data.shown[index], span_id: data.read[letter].span_id };
  return { source: data.source, experimentId: data.ids[index], span };
}

function marksOf(route, data) {
  const row = marked(route, data);
  if (row === null) return null;
  const chosen = whose(route, data);
  return h(
    "div",
    { key: "marked", class: "marked" },
    h(
      "fieldset",
      { class: "whose" },
      h("legend", {}, "Your verdict on"),
      data.letters.map((letter, index) =>
        h(
          "button",
          {
            type: "button",
            class: letter === chosen ? "on" : null,
            disabled: !data.read[letter],
            "aria-pressed": String(letter === chosen),
            "aria-keyshortcuts": String(index + 1),
            on: { click: () => change({ whose: letter }) },
          },
          letter.toUpperCase(),
        ),
      ),
    ),
    marks(row, ` on ${chosen.toUpperCase()}`),
  );
}

function sideHead(route, letter, row, experiment) {
  return h(
    "header",
    {},
    h(
      "h2",
      {},
      h("span", { class: "letter" }, letter.toUpperCase()),
      row
        ? h("a", { href: traceOf(route, experiment, row), dir: "auto", title: "Open the trace" }, experiment.name ?? shortId(experiment.id))
        : (experiment.name ?? shortId(experiment.id)),
    ),
    row
      ? h(
          "ul",
          { class: "facts" },
          h("li", {}, status(row)),
          h("li", {}, duration(row.duration_ns)),
          hasSpent(row) ? [h("li", {}, `${tokens(row) || "?"} tokens`), h("li", {}, costText(row))] : null,
        )
      : null,
  );
}

function answer(row, span) {
  const isLost = row.status === "error" && (span.output ?? null) === null;
  return isLost
    ? h("p", { class: "error" }, h("strong", {}, row.error_type ?? "error"), `: ${row.error_message ?? ""}`)
    : whole(span, "output");
}

/** Each label's values with their reasons, one row a label. */
function scores(row, letters, shown, { comparisons }, experiments) {
  const labels = [...new Set(letters.flatMap((letter) => (row[letter]?.metrics ?? []).map(({ label }) => label)))].sort();
  if (labels.length === 0) return null;
  return h(
    "div",
    { class: "scrolls", tabindex: 0, role: "region", "aria-label": "Scores" },
    h(
      "table",
      { class: "list scored", role: "table" },
      h("caption", { class: "unseen" }, "Scores, with their reasons"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "Score"),
          letters.map((letter, index) => h("th", { scope: "col", title: experiments[index].name ?? experiments[index].id }, letter.toUpperCase())),
        ),
      ),
      h(
        "tbody",
        {},
        labels.map((label) => {
          const texts = letters.map((letter) => said(row[letter], label));
          const isSame = texts.every((text) => text === texts[0]);
          const turn = isSame ? null : turnOf(row, letters, label, comparisons);
          return h(
            "tr",
            { class: isFlip(row, label) ? turn : null },
            h("th", { scope: "row", dir: "auto" }, turn === null ? null : turned(turn), label),
            letters.map((letter, index) =>
              h(
                "td",
                { class: isSame ? "quiet" : null },
                h("span", { class: texts[index] === "failed" ? "failed" : null }, texts[index]),
                reasons(shown[index], label).map((reason) => h("p", { class: "quiet reason", dir: "auto" }, reason)),
              ),
            ),
          );
        }),
      ),
    ),
  );
}

function reasons(span, label) {
  return (span?.metrics ?? [])
    .filter((metric) => metric.label === label)
    .map((metric) => (metric.failed ? metric.error_message : metric.reasoning))
    .filter(Boolean);
}
