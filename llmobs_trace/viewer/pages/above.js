// A page goes in, what is above it comes out: the links of its path, and where Esc leads.
//
// Who goes up finds the page as it was left. A list says in its own address what it shows, so that is kept here; a
// trace's address says itself which list it is of.

import { OWN } from "./narrowed.js";
import { href, only } from "./router.js";

let list = new URLSearchParams();

/** The list of experiments was seen like that. */
export function sawExperiments(params) {
  list = new URLSearchParams(params);
}

/** The links above an experiment; a file that holds one has no list of them. */
export function aboveExperiment() {
  return only === null ? [["Experiments", href(["experiments"], list)]] : [];
}

/** The links above a trace: the comparison that it was opened from, or its experiment's rows, at the page it is on. */
export function aboveTrace(route, { experiment, beside }, name, rowsAtOnce) {
  const from = route.params.get("from");
  if (from !== null) return [...aboveExperiment(), ["Compare", href(["compare"], new URLSearchParams(from))]];
  const back = passedOn(route);
  const page = Math.floor((beside.position ?? 0) / rowsAtOnce) * rowsAtOnce;
  if (page > 0) back.set("offset", String(page));
  return [...aboveExperiment(), [name, href(["experiments", experiment.id], back)]];
}

/** What a trace's address says of the list that it is of, without what it says of the trace itself. */
export function passedOn(route) {
  const params = new URLSearchParams(route.params);
  for (const own of ["fold", "spans", "at", "from", ...OWN]) params.delete(own);
  return params;
}
