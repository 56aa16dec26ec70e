// Columns and rows go in, a table comes out that says how it is sorted, and links to its other pages.

import { h } from "./dom.js";
import { counted, number } from "./format.js";
import { changed } from "./router.js";

/**
 * The head of a column. With `sort`, a link that sorts by it, and turns the order where it does already.
 * The first order is `first` ("asc" or "desc"). `fallback` is what the page sorts by without being told.
 */
export function column(
  route,
  name,
  { sort = null, first = "asc", fallback = null, className = null, note = null } = {},
) {
  if (sort === null)
    return h(
      "th",
      { key: `column-${name}`, scope: "col", role: "columnheader", class: className },
      name,
      note,
    );
  const [by, order] = sorting(route, fallback);
  const active = by === sort;
  const turned = active ? (order === "asc" ? "desc" : "asc") : first;
  const said = active ? (order === "asc" ? "ascending" : "descending") : null;
  return h(
    "th",
    { key: `column-${sort}`, scope: "col", role: "columnheader", class: className, "aria-sort": said },
    h(
      "a",
      {
        class: "sort",
        href: changed(route, { sort, order: turned, offset: null }),
        title: `Sort by ${name}, ${turned === "asc" ? "lowest" : "highest"} first`,
      },
      name,
      h("span", { class: "order", "aria-hidden": "true" }, active ? (order === "asc" ? "↑" : "↓") : ""),
    ),
    note,
  );
}

/** What a route sorts by: [column, "asc" | "desc"]. */
export function sorting(route, fallback) {
  return [
    route.params.get("sort") ?? fallback?.[0] ?? null,
    route.params.get("order") ?? (route.params.has("sort") ? "asc" : (fallback?.[1] ?? "asc")),
  ];
}

/** Which rows are shown of how many, and links to those before and after. */
export function pager(route, { offset, limit, total, noun, plural = `${noun}s` }) {
  const last = Math.min(offset + limit, total);
  if (offset === 0 && last >= total)
    return h(
      "p",
      { class: "pager quiet" },
      total === 0 ? "" : total === 1 ? `1 ${noun}` : `All ${counted(total, noun, plural)}`,
    );
  const to = (at) => changed(route, { offset: at > 0 ? at : null });
  return h(
    "nav",
    { class: "pager", "aria-label": "Pages" },
    offset > 0
      ? h("a", { rel: "prev", href: to(Math.max(0, offset - limit)) }, "← Previous")
      : h("span", { class: "off" }, "← Previous"),
    h("span", {}, `${number(offset + 1)} to ${number(last)} of ${counted(total, noun, plural)}`),
    last < total
      ? h("a", { rel: "next", href: to(offset + limit) }, "Next →")
      : h("span", { class: "off" }, "Next →"),
  );
}

/** A number of a route's parameters that is not negative; `otherwise` where there is none. */
export function whole(route, name, otherwise = 0) {
  const value = Number(route.params.get(name) ?? otherwise);
  return Number.isInteger(value) && value >= 0 ? value : otherwise;
}

/** A search field whose text is a parameter of the route, taken on while it is typed. */
export function search(route, label, followed, name = "q", value = route.params.get(name) ?? "") {
  return h(
    "label",
    { class: "search" },
    h("span", { class: "unseen" }, label),
    h("input", {
      type: "search",
      name,
      placeholder: label,
      value,
      autocomplete: "off",
      spellcheck: "false",
      "aria-keyshortcuts": "/",
      on: {
        input: (event) => later(() => followed(event.target.value)),
        // Before whatever leaves the field is done: it may lead to another page.
        change: now,
        keydown: (event) => event.key === "Enter" && now(),
      },
    }),
  );
}

let timer = 0;
let waiting = null;
const TYPING_MS = 180;

function later(action) {
  clearTimeout(timer);
  waiting = action;
  timer = setTimeout(now, TYPING_MS);
}

function now() {
  clearTimeout(timer);
  const action = waiting;
  waiting = null;
  action?.();
}

/** Let a click anywhere in a row follow its link, unless text was being selected. */
export const wholeRow = {
  click: (event) => {
    if (event.target.closest("a, button, input, label, summary") || String(getSelection()) !== "") return;
    event.currentTarget.querySelector("a.open")?.click();
  },
};

/**
 * A table in a region of its own, which scrolls where it is wider than the window. One of class `rows` becomes cards
 * in a small window: the roles keep it a table to a screen reader.
 */
export function table({ name, className, head, body }) {
  return h(
    "div",
    { key: `table-${name}`, class: "scrolls", tabindex: 0, role: "region", "aria-label": name },
    h(
      "table",
      { class: `list ${className}`, role: "table" },
      h("caption", { class: "unseen" }, name),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
      h("tbody", { role: "rowgroup" }, body),
    ),
  );
}

/** A cell; `column` is what a card says before it. */
export function cell(column, props, ...children) {
  return h("td", { role: "cell", "data-column": column, ...props }, children);
}
