// All experiments of the store, the latest first; several can be chosen for a comparison.

import { sawExperiments } from "./above.js";
import { ask } from "./ask.js";
import { h } from "./dom.js";
import { ago, iso, moment, number, shortId } from "./format.js";
import { done, tell } from "./notice.js";
import { change, changed, current, href } from "./router.js";
import { cell, column, pager, search, table, whole, wholeRow } from "./table.js";

const LIMIT = 50;

export async function load(route, source) {
  const offset = whole(route, "offset");
  const answer = await source.experiments({ q: route.params.get("q"), limit: LIMIT, offset: offset || null });
  sawExperiments(route.params);
  return { ...answer, offset, source };
}

export function title() {
  return "Experiments";
}

export function path() {
  return [["Experiments", href(["experiments"])]];
}

export function view(route, { experiments, offset, total, source }) {
  const chosen = picked(route);
  const asked = route.params.get("q");
  const shown = experiments.slice(0, LIMIT);
  return [
    h(
      "div",
      { key: "head", class: "head" },
      h("h1", { tabindex: -1 }, "Experiments"),
      h(
        "div",
        { class: "actions" },
        search(route, "Search names and ids", (text) => change({ q: text, offset: null })),
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
  const counted = { className: "number" };
  return table({
    name: "Experiments, the latest first",
    className: "rows experiments",
    head: [
      h(
        "th",
        { scope: "col", role: "columnheader", class: "pick" },
        h("span", { class: "unseen" }, "Choose for a comparison"),
      ),
      column(route, "Name"),
      column(route, "Began"),
      column(route, "Dataset"),
      column(route, "Rows", counted),
      column(route, "Spans", counted),
      column(route, "Errors", counted),
      column(route, "Metrics", counted),
      column(route, "Failed", counted),
      h("th", { scope: "col", role: "columnheader", class: "pick" }, h("span", { class: "unseen" }, "Edit")),
    ],
    body: experiments.map((each) => listed(each, chosen, source)),
  });
}

function listed(each, chosen, source) {
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
      each.note === null ? null : h("p", { class: "quiet", dir: "auto" }, each.note.slice(0, 300)),
    ),
    cell(
      null,
      {},
      h("time", { datetime: iso(each.began_ns), title: iso(each.began_ns) }, moment(each.began_ns)),
      h("span", { class: "quiet" }, ` ${ago(each.began_ns)}`),
    ),
    cell("Dataset", { class: "quiet" }, each.dataset_ids.join(", ")),
    count("Rows", each.rows),
    count("Spans", each.spans),
    count("Errors", each.errors, "error"),
    count("Metrics", each.metrics),
    count("Failed", each.failed_metrics, "failed"),
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
    h("p", {}, `No experiment's name or id has “${asked}” in it.`),
    h("p", {}, h("a", { href: changed(route, { q: null, offset: null }) }, "Show all")),
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
