// A question goes in, its answer comes out, from the server or from the file that holds the page.
//
// Both sources have the same functions, with the answers of the server's /api. A `Missing` is what is not there.

import { embedded } from "./source_embedded.js";
import { http } from "./source_http.js";

export { Missing } from "./missing.js";

const data = document.getElementById("embedded");

/** Where the pages take their answers from. */
export const source = data === null ? http() : embedded(JSON.parse(data.textContent));
