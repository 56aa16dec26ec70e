// An answer to a search goes in, what it lacks as long as words are being indexed comes out.

import { number } from "./format.js";

const AGAIN_MS = 500;

/** What it has yet to look at, in words; null where that is nothing. */
export function stillIndexing({ unsearched }) {
  return unsearched ? ` so far: indexing, ${number(unsearched)} spans are not searched yet` : null;
}

/** After how many ms to ask once more, or null. */
export function again({ unsearched }) {
  return unsearched ? AGAIN_MS : null;
}
