// A route goes in, the conditions that its address has come out; and addresses with others.

import { read, writeField } from "./conditions.js";
import { changed } from "./router.js";

/** The conditions of an address, as they are written. */
export function conditionsOf({ params }) {
  return params.getAll("where");
}

/** The address with these conditions, from the first page of its rows on. */
export function withConditions(route, where) {
  return changed(route, { where: [...new Set(where)], offset: null });
}

/** The address with these conditions in the place of those of the same field. */
export function narrowedTo(route, conditions) {
  const fields = new Set(conditions.map((each) => writeField(read(each).field)));
  return withConditions(route, [...conditionsOf(route).filter((each) => !fields.has(fieldOf(each))), ...conditions]);
}

/** What a condition is about, as it is written; null where it can't be read. */
function fieldOf(condition) {
  try {
    return writeField(read(condition).field);
  } catch {
    return null;
  }
}

/** The words that are searched for, and the other conditions. */
export function searchOf(route) {
  const where = conditionsOf(route);
  const search = where.find((each) => each.startsWith("text="));
  return { words: search === undefined ? "" : read(search).value, others: where.filter((each) => each !== search) };
}
