// Saved rows and a condition go in, those that meet it come out, in an order or by groups: what the server finds by
// its store's indexes (see store/row_conditions.py), found here by looking at each row.

import { asNumber, becameOf, durationOf, numberOf } from "./conditions.js";
import { wordsOf } from "./search_words.js";

const ORDERS = {
  "=": (one, other) => one === other,
  "<": (one, other) => one < other,
  "<=": (one, other) => one <= other,
  ">": (one, other) => one > other,
  ">=": (one, other) => one >= other,
};
const MOST_WORDS = 16;
const LONGEST_CATEGORY = 200;
const MOST_GROUPS = 50;

/** Whether a row meets a condition; `spans` are those within it, `textOf` gives what is searched of one. */
export function meets(row, spans, condition, textOf) {
  if (condition.sign === "!=") return !meets(row, spans, { ...condition, sign: "=" }, textOf);
  const { field, sign, value } = condition;
  const compare = (one, other) => one !== null && one !== undefined && ORDERS[sign](one, other);
  switch (field.word) {
    case "metric":
      return metricMeets(row.metrics.filter(({ label }) => label === field.name), condition, compare);
    case "tag":
      return tagsOf(row, field.name).some((said) =>
        sign === "=" ? isValue(said, condition) : compare(asNumber(said), numberOf(condition)),
      );
    case "latency":
      return compare(row.duration_ns, durationOf(condition));
    case "input_tokens":
    case "output_tokens":
    case "cost_usd":
      return compare(row[field.word], numberOf(condition));
    case "error": {
      const isAny = value === "any" && !condition.isQuoted;
      return spans.some(({ status, error_type: type }) => status === "error" && (isAny || type === value));
    }
    case "text":
      return isFound(spans.map(textOf).join("\n"), value);
    case "kind":
    case "name":
      return spans.some((span) => span[field.word] === value);
    default:
      return row[field.word] === value;
  }
}

function metricMeets(of, condition, compare) {
  const became = becameOf(condition);
  if (condition.sign !== "=") return of.some((each) => !each.failed && compare(scoreOf(each), numberOf(condition)));
  if (became === "missing") return of.length === 0;
  if (became === "failed") return of.some(({ failed }) => failed);
  if (became === "n/a") return of.some((each) => each.not_applicable);
  const scored = of.filter(({ failed }) => !failed);
  if (became === "pass" || became === "fail")
    return scored.some(({ assessment, value }) => (assessment ?? (typeof value === "boolean" ? (value ? "pass" : "fail") : null)) === became);
  return scored.some((each) => {
    const category = categoryOf(each);
    if (category !== null) return category === condition.value;
    if (typeof each.value === "boolean") return String(each.value) === became;
    return scoreOf(each) !== null && scoreOf(each) === numberOf(condition);
  });
}

const scoreOf = ({ value }) => (typeof value === "number" ? value : null);
const categoryOf = ({ value, metric_type: type }) => (typeof value === "string" && type !== "json" ? value : null);

function isValue(said, condition) {
  const number = numberOf(condition);
  return said === condition.value || (number !== null && asNumber(said) === number);
}

function tagsOf({ tags }, key) {
  return tags.filter((tag) => tag.split(":", 1)[0] === key).map((tag) => tag.slice(key.length + 1));
}

/** Each word begins one of the text's, or is one where it is a single letter. */
function isFound(text, asked) {
  const wanted = [...new Set(wordsOf(asked))].slice(0, MOST_WORDS);
  const there = ` ${wordsOf(text).join(" ")} `;
  return wanted.length > 0 && wanted.every((word) => there.includes([...word].length > 1 ? ` ${word}` : ` ${word} `));
}

// --- Orders ---------------------------------------------------------------------------------------------------------

/** The rows by a field; those without it last, those that are alike as they were saved: by their start. */
export function ordered(rows, spansOf, field, isDescending) {
  const sign = isDescending ? -1 : 1;
  const by = keyOf(rows, spansOf, field);
  const keyed = rows.map((row, place) => [by(row), place, row]);
  keyed.sort(([a, placeA], [b, placeB]) => {
    for (let at = 0; at < a.length; at += 1) {
      const isThere = [a[at], b[at]].map((value) => value !== null && value !== undefined);
      if (isThere[0] !== isThere[1]) return isThere[0] ? -1 : 1;
      if (isThere[0] && a[at] !== b[at]) return sign * (a[at] < b[at] ? -1 : 1);
    }
    return sign * (placeA - placeB);
  });
  return keyed.map(([, , row]) => row);
}

/** What a row is sorted by: some values, of which the first that differ decide. */
function keyOf(rows, spansOf, { word, name }) {
  if (word === "metric") {
    const value = measureOf(rows, name);
    return (row) => [value(row.metrics.filter((each) => each.label === name && !each.failed))];
  }
  if (word === "tag")
    return (row) => {
      const said = tagsOf(row, name);
      // Numbers by what they are, before what is none.
      return [least(said.map(asNumber)), least(said)];
    };
  if (word === "error")
    return (row) => [least(spansOf(row).filter(({ status }) => status === "error").map(({ error_type: type }) => type))];
  if (word === "kind") return (row) => [spansOf(row)[0]?.kind];
  const column = { start: "start_ns", latency: "duration_ns" }[word] ?? word;
  return (row) => [row[column]];
}

/** How several metrics of a label become one value: their numbers' mean, else a category, else who passes. */
function measureOf(rows, label) {
  const all = rows.flatMap(({ metrics }) => metrics).filter((each) => each.label === label && !each.failed);
  if (all.some((each) => numeric(each) !== null)) return (of) => mean(of.map(numeric));
  if (all.some((each) => categoryOf(each) !== null)) return (of) => least(of.map(categoryOf));
  return (of) => mean(of.map(passing));
}

const numeric = (each) => scoreOf(each) ?? (typeof each.value === "boolean" ? Number(each.value) : null);
const passing = ({ assessment }) => (assessment ? Number(assessment === "pass") : null);
const isThere = (value) => value !== null && value !== undefined;

function mean(values) {
  const there = values.filter(isThere);
  return there.length === 0 ? null : there.reduce((sum, value) => sum + value, 0) / there.length;
}

function least(values) {
  return values.filter(isThere).reduce((one, other) => (one === null || other < one ? other : one), null);
}

// --- Groups ---------------------------------------------------------------------------------------------------------

/** `{groups, others, labels, shares}` of some of all rows, by a tag or by a label's categories. */
export function grouped(rows, all, { word, name }) {
  const valuesOf = (row) =>
    word === "tag"
      ? tagsOf(row, name).filter((value) => value.length <= LONGEST_CATEGORY)
      : row.metrics.filter((each) => each.label === name && !each.failed).map(groupOf).filter(isThere);
  const members = new Map();
  for (const row of rows) for (const value of new Set(valuesOf(row))) under(members, value).push(row);
  const found = [...members].sort(([a, one], [b, other]) => other.length - one.length || (a < b ? -1 : 1));
  const measures = measuresOf(all);
  return {
    groups: found.slice(0, MOST_GROUPS).map(([value, of]) => ({
      value,
      rows: of.length,
      scores: measures.flatMap(({ label, value: measured }) => {
        const there = of.flatMap(({ metrics }) => metrics).filter((each) => each.label === label && !each.failed).map(measured).filter(isThere);
        return there.length === 0 ? [] : [{ label, mean: mean(there), count: there.length }];
      }),
    })),
    others: Math.max(0, found.length - MOST_GROUPS),
    labels: measures.map(({ label }) => label),
    shares: measures.filter(({ isShare }) => isShare).map(({ label }) => label),
  };
}

function groupOf(each) {
  if (typeof each.value === "boolean") return String(each.value);
  const category = categoryOf(each);
  return category !== null && category.length <= LONGEST_CATEGORY ? category : null;
}

/** The labels that have a mean. */
function measuresOf(rows) {
  const byLabel = new Map();
  for (const each of rows.flatMap(({ metrics }) => metrics).filter(({ failed }) => !failed))
    under(byLabel, each.label).push(each);
  return [...byLabel]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([label, of]) => {
      if (of.some((each) => numeric(each) !== null)) return [{ label, value: numeric, isShare: of.every((each) => scoreOf(each) === null) }];
      return of.some(({ assessment }) => assessment) ? [{ label, value: passing, isShare: true }] : [];
    });
}

/** The list under a key of a map, made where it isn't there. */
function under(map, key) {
  if (!map.has(key)) map.set(key, []);
  return map.get(key);
}
