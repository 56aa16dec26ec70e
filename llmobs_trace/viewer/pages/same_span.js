// A span of one trace goes in, its like in the next one comes out: the so-many-th of its name.

/** What an address says of the span that is looked at, so that another row's trace opens at its like; null: the first. */
export function placeOf(spans, span) {
  if (span === undefined || span === spans[0]) return null;
  const alike = spans.filter((each) => each.name === span.name);
  return `${alike.indexOf(span) + 1}.${span.name}`;
}

/** The span that such a place names; of fewer of that name the last, undefined where there is none. */
export function spanAt(spans, place) {
  const [, number, name] = /^(\d+)\.(.*)$/s.exec(place ?? "") ?? [];
  if (number === undefined) return undefined;
  const alike = spans.filter((each) => each.name === name);
  return alike[Math.min(alike.length, Number(number)) - 1];
}
