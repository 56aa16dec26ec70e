// A span of a trace goes in, the same with all that it holds comes out, as soon as that is there.
//
// A trace brings only the beginning of what is large. Whoever looks at one span wants the whole of it, and gets it
// without asking: as much as the server gives at once, a megabyte.

const KEPT = 20;

/** What is known of it so far; the page is drawn again when there is more. `wholes` outlives the page's reloads. */
export function wholeSpan(route, { source, wholes }, span) {
  if (!span.is_cut) return span;
  // What was measured of it may be another by the next time.
  const key = `${span.span_id} ${JSON.stringify(span.metrics)}`;
  if (!wholes.has(key)) {
    const keep = (found) => {
      wholes.set(key, found);
      if (wholes.size > KEPT) wholes.delete(wholes.keys().next().value);
      dispatchEvent(new Event("redraw"));
    };
    wholes.set(key, { rest: "asked" });
    source.shown(route.id, span).then(keep, () => keep({ rest: "failed" })); // each value has a button to ask again
  }
  return { ...span, ...wholes.get(key) };
}
