// A trace's address goes in, the rows before and after it come out, in the order and the filter it was come from.

const LIMIT = 500;
const PASSED_ON = [
  "sort",
  "order",
  "status",
  "failed",
  "missing",
  "label",
  "min",
  "max",
  "below",
  "value",
  "q",
];

/** `{previous, next, position, total}`; nothing where the row is not among the first rows of that list. */
export async function neighbours(route, source) {
  const params = { limit: LIMIT };
  for (const name of PASSED_ON) params[name] = route.params.get(name);
  params.sort ??= "start";
  const { rows, total } = await source.rows(route.id, params);
  const position = rows.findIndex((row) => row.trace_id === route.traceId);
  if (position === -1) return {};
  return { previous: rows[position - 1], next: rows[position + 1], position, total };
}
