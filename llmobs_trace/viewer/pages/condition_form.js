// What an experiment's rows have goes in, a form to add a condition comes out: a field, how it compares, a value.
//
// What can be chosen can be typed as well: the lists hold what is most frequent alone.

import { BECAME, asNumber, read, write, writeText } from "./conditions.js";
import { h, island, patch } from "./dom.js";
import { labelled, values } from "./ranges.js";
import { current, go } from "./router.js";
import { conditionsOf, withConditions } from "./where.js";

const EQUAL = ["=", "!="];
const ALL = ["=", "!=", "<", "<=", ">", ">="];
const SAID = { "=": "is", "!=": "is not", "<": "is below", "<=": "is at most", ">": "is above", ">=": "is at least" };

/** The form, behind a button. */
export function conditionForm(data) {
  const fields = fieldsOf(data);
  return h(
    "details",
    { class: "menu", key: "condition" },
    h("summary", { class: "button" }, "Add a condition"),
    island(`condition-form-${JSON.stringify(fields)}`, () => form(fields)),
  );
}

/** `{name, field, signs, words, texts, hint}`: words mean what they say, texts are recorded. */
function fieldsOf({ scores, facets, spent }) {
  const word = (name, field, signs, more) => ({ name, field: { word: field, name: "" }, signs, words: [], texts: [], ...more });
  return [
    word("status", "status", EQUAL, { words: ["error", "ok"] }),
    word("error", "error", EQUAL, { words: ["any"], texts: facets.errors, hint: "any, or a type" }),
    ...scores.map(measured),
    word("latency", "latency", ALL.slice(2), { hint: "as 250ms, 1.5s, 2m" }),
    ...(spent ? ["input_tokens", "output_tokens", "cost_usd"].map((name) => word(name, name, ALL, { hint: "a number" })) : []),
    ...facets.tags.map(({ key, values: texts }) => ({ name: `tag.${key}`, field: { word: "tag", name: key }, signs: ALL, words: [], texts })),
    word("kind", "kind", EQUAL, { texts: facets.kinds, hint: "of any span" }),
    word("name", "name", EQUAL, { hint: "of any span" }),
    word("row_id", "row_id", EQUAL),
    word("text", "text", EQUAL, { hint: "words, anywhere in the row" }),
  ];
}

function measured(score) {
  const { label, metric_type: type, passed, not_passed: notPassed } = score;
  const isNumber = score.mean !== null && score.mean !== undefined;
  const words = [
    ...(type === "boolean" ? ["true", "false"] : []),
    ...(type === "boolean" || passed > 0 || notPassed > 0 ? ["pass", "fail"] : []),
    ...["failed", "missing", "n/a"],
  ];
  const texts = values(score).map(([value]) => value).filter((value) => !BECAME.includes(value));
  return { name: label, field: labelled(label), signs: isNumber ? [">=", ...ALL.filter((sign) => sign !== ">=")] : EQUAL, words, texts, hint: isNumber ? "a number, failed, missing, n/a" : "" };
}

function form(fields) {
  const element = document.createElement("form");
  element.className = "panel condition-form";
  element.setAttribute("aria-label", "A condition");
  let chosen = fields[0];
  const draw = () => patch(element, controls(fields, chosen, (index) => ((chosen = fields[index]), draw())));
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    add(element, chosen);
  });
  element.addEventListener("input", () => element.elements.value.setCustomValidity(""));
  draw();
  return element;
}

function controls(fields, { signs, words, texts, hint, name: field }, choose) {
  return [
    h(
      "label",
      {},
      "Field ",
      h(
        "select",
        { name: "field", on: { change: ({ target }) => choose(target.selectedIndex) } },
        fields.map(({ name }) => h("option", { key: name, value: name }, name)),
      ),
    ),
    h(
      "label",
      {},
      "Comparison ",
      h("select", { name: "sign" }, signs.map((sign) => h("option", { key: `${field}${sign}`, value: sign }, SAID[sign]))),
    ),
    h(
      "label",
      {},
      "Value ",
      h("input", { key: `value-${field}`, name: "value", required: true, autocomplete: "off", list: "condition-values", placeholder: hint ?? "" }),
    ),
    h("datalist", { id: "condition-values" }, [...words, ...texts].map((value) => h("option", { key: value, value }))),
    h("button", { type: "submit" }, "Add"),
  ];
}

function add(element, chosen) {
  const { sign, value } = element.elements;
  const condition = written(chosen, sign.value, value.value.trim());
  try {
    read(condition);
  } catch (error) {
    value.setCustomValidity(error.message);
    value.reportValidity();
    return;
  }
  const details = element.closest("details");
  details.open = false;
  details.querySelector("summary").focus();
  element.reset();
  const now = current();
  go(withConditions(now, [...conditionsOf(now), condition]), { replace: true });
}

function written({ field, words }, sign, value) {
  const isText = ["metric", "tag", "error", "kind", "name", "row_id", "text"].includes(field.word);
  const isMeant = words.includes(value) || (asNumber(value) !== null && (field.word === "metric" || field.word === "tag"));
  return isText && !isMeant && EQUAL.includes(sign) ? writeText(field, value, sign) : write({ field, sign, value });
}
