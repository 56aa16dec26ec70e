// A recorded value's JSON text goes in, the best way to read it comes out: words, a chat, or a tree; as its reader chose.

import { asAnswer, asAsked, asChat, asMessage } from "./chat.js";
import { copyButton } from "./copy.js";
import { h, island, node } from "./dom.js";
import { FORMS, chooseForm, formOf } from "./form.js";
import { characters, counted, number } from "./format.js";
import { isContainer, member, parse, shortly, text, unwrapped } from "./json.js";
import { jsonTree } from "./jsontree.js";
import { longText } from "./longtext.js";
import { chatList } from "./messages.js";
import { words } from "./words.js";

/**
 * Describe a value for a page. `part`: what it is of its span, whose form is remembered. `cut`: the text is only the
 * beginning of the value's, or of a conversation the end, without its `leftOut` oldest messages; `whole()` then
 * resolves to all of it. `waiting`: more is on its way already. `folded`: how many characters are seen of a long text.
 */
export function value(
  source,
  { part = "value", cut = false, leftOut = 0, waiting = false, whole = null, folded = undefined } = {},
) {
  if (source === null || source === undefined) return h("p", { class: "missing" }, "None was recorded.");
  return island(`value-${cut}-${waiting}-${source}`, () => {
    const box = node(h("div", { class: "value-box", "data-part": part }));
    const shown = { part, folded, source, rest: cut ? { whole, leftOut, waiting } : null, form: formOf(part) };
    box.addEventListener("form", ({ detail: form }) => fill(box, Object.assign(shown, { form })));
    fill(box, shown);
    return box;
  });
}

function fill(box, shown) {
  const { source, rest, form, folded } = shown;
  const read = parse(source);
  const formed = read === null || form === "json" ? null : wellFormed(read, { form, folded });
  shown.hasForms ??= read !== null && !isTree(formed ?? wellFormed(read));
  const children = formed ?? [read !== null && isContainer(read) ? jsonTree(read) : longText(source, { className: "code" })];
  if (rest?.waiting) children.push(node(h("p", { class: "quiet" }, "This is a part of it. Loading the rest…")));
  else if (rest !== null) {
    const more = node(h("button", { class: "more", type: "button" }, missing(rest)));
    more.addEventListener("click", () => loadWhole(box, shown, more));
    if (rest.leftOut > 0) children.unshift(more);
    else children.push(more);
  }
  box.replaceChildren(node(tools(box, shown)), ...children);
}

async function loadWhole(box, shown, button) {
  button.disabled = true;
  try {
    fill(box, Object.assign(shown, { source: await shown.rest.whole(), rest: null }));
  } catch (error) {
    box.append(node(h("p", { class: "failed", role: "alert" }, `The rest can't be had: ${error.message}`)));
  }
}

/** The forms that it has, and a button that copies it: a text as its text, all else as its JSON. */
function tools(box, { part, source, rest, form, hasForms }) {
  const copied = async () => {
    const all = rest?.whole ? await rest.whole() : source;
    return text(parse(all)) ?? all;
  };
  return h(
    "div",
    { class: "value-tools" },
    hasForms
      ? h(
          "span",
          { class: "forms", role: "group", "aria-label": "Show it as" },
          FORMS.map(([each, name]) =>
            h(
              "button",
              {
                class: "quiet",
                type: "button",
                "aria-pressed": each === form ? "true" : "false",
                on: {
                  click: () => {
                    chooseForm(part, each);
                    box.querySelector('.forms [aria-pressed="true"]')?.focus();
                  },
                },
              },
              name,
            ),
          ),
        )
      : null,
    copyButton("the value", copied),
  );
}

/** Of what is a tree anyway there is one form. */
function isTree(formed) {
  return formed[0].className === "json";
}

function missing({ leftOut }) {
  return leftOut > 0
    ? `The ${leftOut === 1 ? "oldest message is" : `${number(leftOut)} oldest messages are`} not shown. Load the whole value`
    : "This is the beginning of it. Load the whole value";
}

function wellFormed(read, options = {}) {
  if (!isContainer(read) && read.type !== "string") return [jsonTree(read)];
  if (read.type === "string")
    return [
      read.value.trim() === ""
        ? node(
            h(
              "p",
              { class: "missing" },
              read.value === "" ? "An empty text." : `Only white space: ${characters(read.value.length)}.`,
            ),
          )
        : words(read.value + (read.cut ? "…" : ""), options.form, options),
    ];
  const single = read.type === "object" ? asMessage(read) : null;
  const chat = single === null ? asChat(read) : [single];
  if (chat !== null) return [chatList(chat, options.form, options)];
  const inner = unwrapped(read);
  if (inner !== read && !read.cut) return wellFormed(inner, options);
  if (!read.cut) {
    const asked = asAsked(read);
    if (asked !== null) return [chatList(asked.messages, options.form, options), ...others(asked.rest, "Asked with")];
    const answer = asAnswer(read);
    if (answer !== null) return [chatList(answer.messages, options.form, options), ...others(answer.rest, "The rest of the response")];
    const vectors = asVectors(read);
    if (vectors !== null) return [node(h("p", {}, vectors))];
  }
  if (
    read.type === "object" &&
    read.entries.length <= 12 &&
    read.entries.some(([, child]) => readsBetter(child))
  )
    return [fields(read, options)];
  return [jsonTree(read)];
}

/** What embeddings there were, of which none was kept. */
function asVectors(read) {
  const [count, size] = ["embeddings", "dimensions"].map((name) => member(read, name));
  if (count?.type !== "number" || size?.type !== "number" || read.entries.length !== 2) return null;
  return `${counted(Number(count.source), "embedding")} of ${counted(Number(size.source), "dimension")}; the vectors are not recorded.`;
}

/** Whether a member is better read as what it is than as JSON: a chat, or a text of several lines or words. */
function readsBetter(child) {
  return (
    asChat(child) !== null ||
    asMessage(child) !== null ||
    asAnswer(child) !== null ||
    (child.type === "string" && ((child.value.length > 48 && child.value.includes(" ")) || child.value.length > 100 || child.value.includes("\n")))
  );
}

function fields(read, options) {
  return node(
    h(
      "dl",
      { class: "fields" },
      read.entries.map(([key, child]) => [
        h("dt", { dir: "auto", class: isShort(child) ? "short" : null }, key),
        h(
          "dd",
          { class: isShort(child) ? "short" : null },
          island(`field-${key}`, () => field(child, options)),
        ),
      ]),
    ),
  );
}

/** Whether it stands beside its name, and not below it. */
function isShort(child) {
  return !isContainer(child) && (child.type !== "string" || (child.value.length <= 48 && !child.value.includes("\n")));
}

function field(child, options) {
  const box = node(h("div", {}));
  box.append(...(child.type === "string" || readsBetter(child) ? wellFormed(child, options) : [jsonTree(child)]));
  return box;
}

/** What stands beside a conversation: tools by their names, all else as JSON, folded. */
function others(entries, title) {
  const tools = entries.find(([key, child]) => key === "tools" && child.type === "array");
  const rest = entries.filter((entry) => entry !== tools);
  return [
    tools && folded(`${counted(tools[1].items.length, "tool")} to call: ${tools[1].items.map(toolName).join(", ")}`, tools[1]),
    rest.length > 0 && folded(`${title}: ${rest.map(shortly).join(", ")}`, { type: "object", entries: rest }),
  ]
    .filter(Boolean)
    .map(node);
}

function toolName(tool) {
  const inside = member(tool, "function") ?? tool;
  return text(member(inside, "name")) ?? text(member(tool, "type")) ?? "…";
}

function folded(title, read) {
  return h(
    "details",
    { class: "others" },
    h("summary", { dir: "auto" }, title.length > 200 ? `${title.slice(0, 200)}…` : title),
    island("json", () => jsonTree(read)),
  );
}

