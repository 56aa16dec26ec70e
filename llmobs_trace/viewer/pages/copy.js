// A text goes in, a button comes out that puts it on the clipboard, and says whether it did.

import { h } from "./dom.js";

const SAID_MS = 1500;

/** The button; `text()` gives what is copied, or a promise of it; `what` says it to a reader. */
export function copyButton(what, text, shown = "Copy") {
  return h("button", { class: "quiet copy", type: "button", "aria-label": `Copy ${what}`, on: { click: (event) => copy(event, text, shown) } }, shown);
}

async function copy(event, text, shown) {
  const button = event.currentTarget;
  event.stopPropagation();
  try {
    await write(await text());
    button.textContent = "Copied";
  } catch {
    button.textContent = "Can’t copy";
  }
  setTimeout(() => {
    button.textContent = shown;
  }, SAID_MS);
}

/** Where the page is not from this machine, a browser has no clipboard for it: then as a selection is copied. */
async function write(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "unseen";
  document.body.append(field);
  field.select();
  const isDone = document.execCommand("copy");
  field.remove();
  if (!isDone) throw new Error("not allowed");
  return undefined;
}
