// A row goes in, what it is called comes out: with which repeat it is, where rows ran several times.

/** Whether any of these rows ran several times. */
export function repeat(rows) {
  return rows.some((row) => row.run_iteration > 1);
}

/** "france", or "france #2". */
export function rowName(row, name, hasRepeats) {
  const known = row.row_id ?? name;
  return hasRepeats && row.run_iteration ? `${known} #${row.run_iteration}` : known;
}
