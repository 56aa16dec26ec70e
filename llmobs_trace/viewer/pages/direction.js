// A metric goes in, which of its values are better comes out in words, with a choice for whoever knows better.
//
// The choice is in the address, as `direction.<label>`: a comparison that is sent is read as it was.

import { h } from "./dom.js";
import { change } from "./router.js";

const PARAMETER = "direction.";
// What model calls took is shown, and decides nothing, until somebody asks it to.
const AMOUNTS = new Set(["tokens", "cost"]);
const WORDS = { higher: "Higher is better", lower: "Lower is better", neither: "Don’t judge it" };
const SOURCES = { recorded: "as recorded", assessments: "as its assessments say", assumed: "assumed" };

/** What an address says of labels, as parameters of a question. */
export function directions(route) {
  return Object.fromEntries([...route.params].filter(([name]) => name.startsWith(PARAMETER)));
}

/** The choice, and how to record it once it is made. */
export function direction(route, metric) {
  // Of a share of what passes, and of categories, nobody can say that less is better.
  const choices = AMOUNTS.has(metric.kind)
    ? ["lower"]
    : { score: ["higher", "lower", "neither"], boolean: ["higher", "lower", "neither"], assessment: ["neither"] }[metric.kind];
  if (choices === undefined) return null;
  const chosen = route.params.get(PARAMETER + metric.label);
  return [
    h(
      "select",
      {
        class: metric.verdict === "not judged" && !chosen ? "direction unsaid" : "direction",
        "aria-label": `Which ${metric.label} is better`,
        on: { change: ({ target: { value } }) => change({ [PARAMETER + metric.label]: value || null }) },
      },
      [["", unsaid(metric, chosen)], ...choices.map((each) => [each, WORDS[each]])].map(
        ([key, text]) => h("option", { key, value: key, selected: key === (chosen ?? "") }, text),
      ),
    ),
    (chosen === "higher" || chosen === "lower") && !AMOUNTS.has(metric.kind)
      ? h(
          "span",
          { class: "quiet note" },
          "for good: ",
          h("code", {}, `lower_is_better=${chosen === "lower" ? "True" : "False"}`),
          " where it is recorded",
        )
      : null,
  ];
}

function unsaid(metric, chosen) {
  if (AMOUNTS.has(metric.kind)) return "Shown, decides nothing";
  return chosen ? "As recorded, or assumed" : found(metric);
}

function found({ kind, direction: better, direction_from: source }) {
  if (kind === "assessment") return "Pass is better";
  if (better) return `${WORDS[better]} (${SOURCES[source]})`;
  return source === "recorded" ? "Records contradict each other" : "Which is better?";
}
