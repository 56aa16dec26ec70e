// A page goes in, the whole window comes out: what is above every page, and the list of keys.

import { h, node } from "./dom.js";
import { LISTED } from "./keys.js";
import { notice } from "./notice.js";
import { href } from "./router.js";
import * as theme from "./theme.js";

const CONNECTIONS = {
  live: ["live", "Live", "New events appear by themselves"],
  offline: ["offline", "Offline", "The server does not answer; what is shown is what it last said"],
  saved: ["saved", "Saved file", "This file holds its data: it asks nobody, and changes no more"],
};
const THEME_NAMES = { auto: "Auto", light: "Light", dark: "Dark" };

/** Everything in the window, around a page's nodes. */
export function shell({ path, error, connection, loading, data, route }, page) {
  return [
    h("a", { key: "skip", class: "skip", href: "#main", on: skip }, "Skip to content"),
    h(
      "header",
      { key: "header", class: "top" },
      h(
        "nav",
        { class: "path", "aria-label": "Where you are" },
        h(
          "ol",
          {},
          h("li", {}, h("a", { class: "home", href: href(["experiments"]) }, "llmobs-trace")),
          path.map(([name, address], index) =>
            h(
              "li",
              {},
              address === null || index === path.length - 1
                ? h("span", { "aria-current": "page" }, name)
                : h("a", { href: address }, name),
            ),
          ),
        ),
      ),
      h(
        "div",
        { class: "tools" },
        state(connection),
        h(
          "button",
          {
            class: "quiet",
            type: "button",
            on: themeButton,
            "aria-label": `Colours: ${THEME_NAMES[theme.chosen()]}. Change`,
          },
          THEME_NAMES[theme.chosen()],
        ),
        h(
          "button",
          { class: "quiet key", type: "button", on: helpButton, "aria-label": "Keyboard shortcuts" },
          "?",
        ),
      ),
    ),
    h(
      "main",
      {
        key: `main-${route.page}-${route.id ?? ""}-${route.traceId ?? ""}`,
        id: "main",
        tabindex: -1,
        "aria-busy": loading && data === null ? "true" : null,
      },
      error === null ? null : failure(error, data),
      page,
    ),
    notice(),
  ];
}

function state(connection) {
  const [kind, name, meaning] = CONNECTIONS[connection];
  return h(
    "span",
    { class: `connection ${kind}`, role: "status", title: meaning },
    h("span", { class: "dot", "aria-hidden": "true" }),
    name,
  );
}

function failure(error, data) {
  return h(
    "div",
    { class: "failure", role: "alert" },
    data === null
      ? h("h1", { tabindex: -1 }, "This can't be shown")
      : h("strong", {}, "What is below may be old."),
    h("p", {}, String(error.message)),
    data === null ? h("p", {}, h("a", { href: href(["experiments"]) }, "All experiments")) : null,
  );
}

const skip = {
  click: (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  },
};
const themeButton = {
  click: () => {
    theme.next();
    dispatchEvent(new Event("redraw"));
  },
};
const helpButton = { click: () => document.getElementById("help").showModal() };

/** The list of keys, closed. */
export function helpDialog() {
  const dialog = node(
    h(
      "dialog",
      { id: "help", "aria-labelledby": "help-title" },
      h("h2", { id: "help-title" }, "Keyboard"),
      h(
        "div",
        { class: "keys" },
        LISTED.map(([place, listed]) =>
          h(
            "section",
            {},
            h("h3", {}, place),
            h(
              "dl",
              {},
              listed.map(([key, does]) => [
                h(
                  "dt",
                  {},
                  key
                    .split(/(, | then | )/)
                    .map((part) => (/^(, | then | )$/.test(part) ? part : h("kbd", {}, part))),
                ),
                h("dd", {}, does),
              ]),
            ),
          ),
        ),
      ),
      h("form", { method: "dialog" }, h("button", { autofocus: true }, "Close")),
    ),
  );
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside it
  });
  return dialog;
}
