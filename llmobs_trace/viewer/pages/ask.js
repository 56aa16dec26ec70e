// Fields go in, a dialog asks for them, and what was typed comes out; nothing where it was left.

import { h, node } from "./dom.js";

/**
 * Ask in a dialog. A field is `{name, label, value, rows}`, with `rows` one of several lines. `other` is one more way
 * to end it: `{name, label}`. Gives `{how: "save" | other.name, values}`, or null.
 */
export function ask(title, fields, { hint = null, other = null } = {}) {
  const end = (how) => (event) => {
    event.preventDefault();
    dialog.close(how);
  };
  const dialog = node(
    h(
      "dialog",
      { class: "ask", "aria-labelledby": "ask-title" },
      h(
        "form",
        { method: "dialog", on: { submit: end("save") } },
        h("h2", { id: "ask-title", dir: "auto" }, title),
        fields.map(({ name, label, value, rows }) =>
          h(
            "label",
            {},
            h("span", {}, label),
            rows
              ? h("textarea", { name, rows, value, on: { keydown: submitted } })
              : h("input", { name, type: "text", value, autocomplete: "off" }),
          ),
        ),
        hint === null ? null : h("p", { class: "quiet" }, hint),
        h(
          "div",
          { class: "actions" },
          h("button", { type: "submit", class: "main" }, "Save"),
          h("button", { type: "button", on: { click: end("") } }, "Cancel"),
          other === null ? null : h("button", { type: "button", class: "other", on: { click: end(other.name) } }, other.label),
        ),
      ),
    ),
  );
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const values = Object.fromEntries(fields.map(({ name }) => [name, dialog.querySelector(`[name="${name}"]`).value]));
      const how = dialog.returnValue;
      dialog.remove();
      resolve(how === "" ? null : { how, values });
    });
    dialog.showModal();
    const [first] = dialog.querySelectorAll("textarea, input");
    first.focus();
    first.select();
  });
}

/** Enter is a new line there; with Ctrl or ⌘ it saves. */
function submitted(event) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.form.requestSubmit();
}
