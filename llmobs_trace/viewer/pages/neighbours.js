// A trace's address goes in, the rows before and after it come out, in the order and the filter it was come from.

import { passedOn } from "./above.js";
import { repeated } from "./router.js";

/** `{previous, next, position, total}`; no position where the row is not in that list. */
export async function neighbours(route, source) {
  const found = await source.neighbours(route.id, { ...repeated(passedOn(route)), trace: route.traceId });
  return { ...found, position: found.position ?? undefined };
}
