// All experiments of the store, the latest first; several can be chosen for a comparison.

import { sawExperiments } from "./above.js";
import { ask } from "./ask.js";
import { h } from "./dom.js";
import { ago, counted, dollars, duration, iso, moment, number, shortId } from "./format.js";
import { done, tell } from "./notice.js";
import { change, changed, current, href } from "./router.js";
import { tokens } from "./spent.js";
import { cell, column, pager, search, table, whole, wholeRow } from "./table.js";

const LIMIT = 50;
const FALLBACK = ["active", "desc"];
// Of an experiment so many are shown at once; the rest is named in a title.
const SCORES = 4;
const DIFFERENCES = 3;
// In a small window there is no head to sort by.
const ORDERS = [
  ["name asc", "By name"],
  ["began asc", "Oldest first"],
  ["rows desc", "Most rows first"],
  ["errors desc", "Most errors first"],
  ["failed desc", "Most failed metrics first"],
  ["latency desc", "Slowest first"],
  ["tokens desc", "Most tokens first"],
  ["cost desc", "Dearest first"],
];

export async function load(route, source) {
  const offset = whole(route, "offset");
  const asked = Object.fromEntries(["q", "dataset", "sort", "order"].map((name) => [name, route.params.get(name)]));
  const answer = await source.experiments({ ...asked, limit: LIMIT, offset: offset || null });
  sawExperiments(route.params);
  return { ...answer, offset, source };
}

export function title() {
  return "Experiments";
}

export function path() {
  return [["Experiments", href(["experiments"])]];
}

export function view(route, { experiments, datasets, offset, total, source }) {
  const chosen = picked(route);
  const asked = route.params.get("q") ?? route.params.get("dataset");
  const shown = experiments.slice(0, LIMIT);
  return [
    h(
      "div",
      { key: "head", class: "head wraps" },
      h("h1", { tabindex: -1 }, "Experiments"),
      h(
        "div",
        { class: "actions" },
        search(route, "Search names and ids", (text) => change({ q: text, offset: null })),
        narrowing(route, shown, datasets),
        compareLink(chosen, shown),
      ),
    ),
    shown.length === 0
      ? h("div", { key: "empty", class: "empty" }, asked ? nothingFound(route, asked) : nothingYet())
      : listing(route, shown, chosen, source),
    shown.length === 0 ? null : pager(route, { offset, limit: LIMIT, total, noun: "experiment" }),
  ];
}

function listing(route, experiments, chosen, source) {
  const by = (sort, more = {}) => ({ sort, fallback: FALLBACK, ...more });
  const numbers = (sort) => by(sort, { className: "number", first: "desc" });
  const hasTokens = experiments.some(({ input_tokens: given, output_tokens: made }) => (given ?? made) !== null);
  return table({
    name: "Experiments",
    className: "rows experiments",
    head: [
      h(
        "th",
        { scope: "col", role: "columnheader", class: "pick" },
        h("span", { class: "unseen" }, "Choose for a comparison"),
      ),
      column(route, "Name", by("name")),
      column(route, "Began", by("began", { first: "desc" })),
      column(route, "Dataset", by("dataset")),
      column(route, "Status", by("status")),
      column(route, "Rows", numbers("rows")),
      column(route, "Errors", numbers("errors")),
      column(route, "Failed", numbers("failed")),
      column(route, "Scores"),
      column(route, "Latency", numbers("latency")),
      hasTokens ? [column(route, "Tokens", numbers("tokens")), column(route, "Cost", numbers("cost"))] : null,
      h("th", { scope: "col", role: "columnheader", class: "pick" }, h("span", { class: "unseen" }, "Edit")),
    ],
    body: experiments.map((each) => listed(each, chosen, source, hasTokens)),
  });
}

function listed(each, chosen, source, hasTokens) {
  return h(
    "tr",
    { key: each.id, role: "row", on: wholeRow, class: chosen.includes(each.id) ? "chosen" : null },
    cell(
      null,
      { class: "pick" },
      h("input", {
        type: "checkbox",
        checked: chosen.includes(each.id),
        "aria-label": `Choose ${each.name ?? each.id}, began ${moment(each.began_ns)}, for a comparison`,
        on: { change: () => pick(each.id) },
      }),
    ),
    h(
      "th",
      { scope: "row", role: "rowheader" },
      h(
        "a",
        { class: "open", id: `open-${each.id}`, href: href(["experiments", each.id]) },
        h("span", { class: "name", dir: "auto" }, each.name ?? each.id),
        each.name ? [" ", h("code", { class: "quiet" }, shortId(each.id))] : null,
      ),
      differs(each),
      each.note === null ? null : h("p", { class: "quiet", dir: "auto" }, each.note.slice(0, 300)),
    ),
    cell(
      null,
      {},
      h("time", { datetime: iso(each.began_ns), title: iso(each.began_ns) }, moment(each.began_ns)),
      h("span", { class: "quiet" }, ` ${ago(each.began_ns)}`),
    ),
    cell("Dataset", { class: "quiet" }, each.dataset ?? none()),
    cell("Status", { class: each.status === "failed" ? "state failed" : "state quiet", title: each.error }, state(each)),
    count("Rows", each.rows),
    count("Errors", each.errors, "error"),
    count("Failed", each.failed_metrics, "failed"),
    cell("Scores", { class: "scores" }, scores(each)),
    cell("Latency", { class: "number" }, each.latency_ns === null ? none() : duration(each.latency_ns)),
    hasTokens
      ? [
          cell("Tokens", { class: "number" }, tokens(each) || none()),
          cell("Cost", { class: "number" }, spent(each)),
        ]
      : null,
    cell(
      null,
      { class: "pick" },
      h(
        "button",
        {
          type: "button",
          class: "quiet",
          "aria-label": `Edit ${each.name ?? each.id}`,
          title: "Name, note, delete",
          on: { click: () => edit(each, source) },
        },
        "Edit",
      ),
    ),
  );
}

function none() {
  return h("span", { class: "quiet" }, "-");
}

function state({ status, left }) {
  return left > 0 ? `${status}, ${number(left)} left` : (status ?? "-");
}

/** What is another than in the experiment before it, of config, tags and code. */
function differs({ differences, before }) {
  if (differences.length === 0) return null;
  const more = differences.slice(DIFFERENCES).map(({ name }) => name);
  return h(
    "ul",
    { class: "differs", "aria-label": `Other than in ${before}` },
    differences
      .slice(0, DIFFERENCES)
      .map(({ name, before: was, now }) =>
        h(
          "li",
          { dir: "auto", title: `${was ?? "none"} → ${now ?? "none"}` },
          `${name} `,
          now === null ? "no more" : was === null ? short(now) : `${short(was)} → ${short(now)}`,
        ),
      ),
    more.length > 0 ? h("li", { title: more.join(", ") }, `${more.length} more`) : null,
  );
}

function short(text) {
  return text.length > 24 ? `${text.slice(0, 23)}…` : text;
}

function scores({ scores: found }) {
  if (found.length === 0) return none();
  const said = ({ value, is_share: isShare }) => (isShare ? `${Math.round(value * 100)}%` : number(value));
  const more = found.slice(SCORES).map((each) => `${each.label} ${said(each)}`);
  return h(
    "ul",
    {},
    found.slice(0, SCORES).map((each) => h("li", { dir: "auto" }, `${each.label} `, h("strong", {}, said(each)))),
    more.length > 0 ? h("li", { class: "quiet", title: more.join(", ") }, `${more.length} more`) : null,
  );
}

function spent({ cost_usd: cost, cost_unknown: unknown, is_worked_out: isWorkedOut }) {
  if (cost === null) return none();
  const title = unknown > 0 ? `of ${counted(unknown, "more row")} it is not known` : null;
  return h("span", { title }, `${isWorkedOut ? "~" : ""}${dollars(cost)}${unknown > 0 ? " +?" : ""}`);
}

/** Of which dataset; and sorted, also by a score, which has no column of its own. */
function narrowing({ params }, experiments, datasets) {
  const labels = [...new Set(experiments.flatMap(({ scores: found }) => found.map(({ label }) => label)))].sort();
  const orders = [
    ["", "Latest first"],
    ...ORDERS,
    ...labels.flatMap((label) => [
      [`score:${label} desc`, `${label}, highest first`],
      [`score:${label} asc`, `${label}, lowest first`],
    ]),
  ];
  const sorted = params.has("sort") ? `${params.get("sort")} ${params.get("order") ?? "asc"}` : "";
  return [
    datasets.length > 1
      ? choice(
          "Dataset",
          params.get("dataset") ?? "",
          [["", "All datasets"], ...datasets.map((each) => [each, each])],
          (dataset) => change({ dataset, offset: null }),
        )
      : null,
    choice("Sort", sorted, orders, (value) => {
      const at = value.lastIndexOf(" ");
      change({ sort: value.slice(0, Math.max(at, 0)), order: value.slice(at + 1), offset: null });
    }),
  ];
}

function choice(name, value, options, chosen) {
  return h(
    "label",
    {},
    h("span", { class: "unseen" }, name),
    h(
      "select",
      { on: { change: (event) => chosen(event.target.value) } },
      options.map(([key, text]) => h("option", { key, value: key, selected: key === value }, text)),
    ),
  );
}

/** What it is called and what is written of it; or it is deleted, which can be undone. */
async function edit({ id, name, note }, source) {
  const answer = await ask(
    name ?? id,
    [
      { name: "name", label: "Name", value: name ?? "" },
      { name: "note", label: "Note", value: note ?? "", rows: 4 },
    ],
    { hint: "Without a name it has the one that its program says.", other: { name: "delete", label: "Delete" } },
  );
  if (answer === null) return;
  const { values } = answer;
  if (answer.how === "delete") {
    if (await done(() => source.remove(id)))
      tell(`Deleted ${name ?? id}. It is kept for 30 days.`, () => source.restore(id));
    return;
  }
  await done(async () => {
    if (values.name !== (name ?? "")) await source.rename(id, values.name);
    if (values.note !== (note ?? "")) await source.note(id, values.note);
  });
}

function count(name, value, kind = null) {
  return cell(
    name,
    { class: kind !== null && value > 0 ? `number ${kind}` : "number" },
    value === 0 ? h("span", { class: "quiet" }, "0") : number(value),
  );
}

// Whichever is chosen first, the earliest is A: what came later is judged against what was there.
function compareLink(chosen, shown) {
  if (chosen.length < 2)
    return h(
      "span",
      { class: "button off" },
      chosen.length === 1 ? "Choose one more" : "Choose two to compare",
    );
  const place = (id) => shown.findIndex((each) => each.id === id); // -1, the latest, on another page
  const ordered = [...chosen].sort((one, other) => place(other) - place(one));
  const params = Object.fromEntries(ordered.map((id, index) => [String.fromCharCode(97 + index), id]));
  return h("a", { class: "button main", href: href(["compare"], params) }, `Compare ${chosen.length}`);
}

function picked(route) {
  return (route.params.get("pick") ?? "").split("\n").filter(Boolean); // which no id holds
}

function pick(id) {
  const chosen = picked(current());
  const next = chosen.includes(id) ? chosen.filter((each) => each !== id) : [...chosen, id];
  change({ pick: next.join("\n") });
}

function nothingFound(route, asked) {
  return [
    h("p", {}, `No experiment's name, id or dataset is like “${asked}”.`),
    h("p", {}, h("a", { href: changed(route, { q: null, dataset: null, offset: null }) }, "Show all")),
  ];
}

function nothingYet() {
  return [
    h("p", {}, "The store holds no experiment yet. One appears here as soon as it records its first span."),
    h("pre", {}, "llmobs-trace demo"),
  ];
}

export function keys() {
  return {
    x: () => {
      const box = document.activeElement?.closest("tr")?.querySelector("input[type=checkbox]");
      if (box) pick(box.closest("tr").querySelector("a.open").id.slice("open-".length));
    },
  };
}
