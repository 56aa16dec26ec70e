// The columns of a table go in, those that its reader chose come out, in the order and the height that they chose.
//
// The address has the choice: `columns` are their ids, `height` is how much of a text a row shows.

import { h } from "./dom.js";
import { change, changed } from "./router.js";

const HEIGHTS = [
  ["short", "One line"],
  ["", "Two lines"],
  ["tall", "Six lines"],
];

/** What an address says of it, which the page of a row leads back with. */
export const OF_COLUMNS = ["columns", "height"];

/** The columns that an address asks for; all of them where it doesn't say. */
export function chosenOf(route, columns) {
  const asked = idsOf(route);
  if (asked === null) return columns;
  return asked.map((id) => columns.find((each) => each.id === id)).filter((each) => each !== undefined);
}

function idsOf({ params }) {
  // Between labels, which may have any sign in them.
  return params.has("columns") ? params.get("columns").split("\n") : null;
}

/** A class for the height of rows. */
export function heightOf({ params }) {
  const found = HEIGHTS.find(([height]) => height !== "" && height === params.get("height"));
  return found === undefined ? "" : `rows-${found[0]}`;
}

/** The controls, behind a button. */
export function columnsMenu(route, columns) {
  const chosen = chosenOf(route, columns).map(({ id }) => id);
  const set = (ids) => change({ columns: ids.join("\n") || NONE });
  const ordered = [...chosenOf(route, columns), ...columns.filter(({ id }) => !chosen.includes(id))];
  return h(
    "details",
    { class: "menu" },
    h("summary", { class: "button" }, "Columns"),
    h(
      "div",
      { class: "panel" },
      h(
        "ul",
        {},
        ordered.map(({ id, name }) =>
          h(
            "li",
            { key: id },
            h(
              "label",
              {},
              h("input", {
                type: "checkbox",
                checked: chosen.includes(id),
                on: { change: () => set(chosen.includes(id) ? chosen.filter((each) => each !== id) : [...chosen, id]) },
              }),
              h("span", { dir: "auto" }, name),
            ),
            chosen.includes(id) ? [mover(name, "earlier", "↑", () => set(swapped(chosen, id, -1))), mover(name, "later", "↓", () => set(swapped(chosen, id, 1)))] : null,
          ),
        ),
      ),
      h(
        "label",
        {},
        "Height of rows ",
        h(
          "select",
          { on: { change: ({ target: { value } }) => change({ height: value || null }) } },
          HEIGHTS.map(([key, text]) => h("option", { key, value: key, selected: key === (route.params.get("height") ?? "") }, text)),
        ),
      ),
      OF_COLUMNS.some((name) => route.params.has(name))
        ? h("a", { href: changed(route, Object.fromEntries(OF_COLUMNS.map((name) => [name, null]))) }, "As they were")
        : null,
    ),
  );
}

// No column's id: all are taken away.
const NONE = "-";

function mover(name, where, sign, move) {
  return h("button", { class: "quiet", type: "button", "aria-label": `Move ${name} ${where}`, on: { click: move } }, sign);
}

function swapped(ids, id, by) {
  const next = [...ids];
  const at = next.indexOf(id);
  const to = Math.max(0, Math.min(next.length - 1, at + by));
  next.splice(at, 1);
  next.splice(to, 0, id);
  return next;
}
