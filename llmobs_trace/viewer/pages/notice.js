// Something was done, or could not be: it is said at the foot of the window, with what undoes it, until it is closed.

import { h } from "./dom.js";

let said = null;

/** Say it; `undo`, where there is one, takes back what was done. */
export function tell(text, undo = null) {
  said = { text, undo };
  dispatchEvent(new Event("redraw"));
}

/** Do something on the server, and show what came of it at once; whether it was done. */
export async function done(work) {
  try {
    await work();
  } catch (error) {
    tell(`Nothing was changed: ${error.message}`);
    return false;
  }
  dispatchEvent(new Event("changed"));
  return true;
}

/** What was said last. */
export function notice() {
  return h(
    "div",
    { key: "notice", class: said === null ? "notice off" : "notice", role: "status" },
    said === null
      ? null
      : [
          h("span", { dir: "auto" }, said.text),
          said.undo === null ? null : h("button", { type: "button", on: { click: undo } }, "Undo"),
          h("button", { type: "button", class: "quiet", on: { click: close } }, "Close"),
        ],
  );
}

function close() {
  said = null;
  dispatchEvent(new Event("redraw"));
}

function undo() {
  const { undo: work } = said;
  close();
  done(work);
}
