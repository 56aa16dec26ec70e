// The messages of a chat go in, a list of them comes out: texts, thoughts, calls of tools and what they answered.

import { asMessage, isMarker } from "./chat.js";
import { h, island, node } from "./dom.js";
import { characters } from "./format.js";
import { brief, isContainer, parse, shortly } from "./json.js";
import { jsonTree } from "./jsontree.js";
import { longText } from "./longtext.js";
import { picture } from "./picture.js";
import { isTraceback, words } from "./words.js";

// An argument that is shorter is written on its line.
const SHORT_CHARACTERS = 60;

/** The list; `form` is how the texts are shown. */
export function chatList(messages, form, options) {
  const names = new Map();
  const write = (text) => words(text, form, options);
  for (const { blocks } of messages)
    for (const block of blocks) if (block.kind === "call" && block.id !== "") names.set(block.id, block.name);
  return node(
    h(
      "ol",
      { class: "chat", "aria-label": "Messages" },
      messages.map((message, index) =>
        h(
          "li",
          { class: `message role-${known(message.role)}` },
          h(
            "p",
            { class: "role" },
            message.role,
            message.name === "" ? null : h("span", { class: "quiet" }, ` ${message.name}`),
          ),
          spoken(message.blocks).map((block, position) => island(`block-${index}-${position}`, () => blockBox(block, names, write))),
          message.more.length === 0
            ? null
            : h(
                "details",
                { class: "others" },
                h("summary", { dir: "auto" }, `More of it: ${message.more.slice(0, 8).map(shortly).join(", ")}`),
                island(`more-${index}`, () => jsonTree({ type: "object", entries: message.more })),
              ),
        ),
      ),
    ),
  );
}

/** Who calls a tool need not say anything besides. */
function spoken(blocks) {
  const said = blocks.filter(({ kind, text }) => kind !== "text" || text !== "");
  return said.length === 0 ? blocks : said;
}

function known(role) {
  return ["system", "user", "assistant", "tool"].includes(role) ? role : "other";
}

function blockBox(block, names, write) {
  switch (block.kind) {
    case "text":
      if (isMarker(block.text)) return markerBox("media", block.text.slice(1, -1));
      return block.text === "" ? node(h("p", { class: "missing" }, "empty")) : write(block.text);
    case "thinking":
      return thinkingBox(block, write);
    case "refusal":
      return node(h("div", { class: "refusal" }, h("p", { class: "quiet" }, "refuses"), island("text", () => write(block.text))));
    case "image":
      return isMarker(block.url) ? markerBox("image", block.url.slice(1, -1)) : picture(block.url);
    case "media":
      return block.said === ""
        ? mediaBox(block)
        : node(h("div", {}, island("media", () => mediaBox(block)), island("said", () => write(block.said))));
    case "call":
      return callBox(block);
    case "result":
      return resultBox(block, names, write);
    default:
      return jsonTree(block.node);
  }
}

function mediaBox({ what, about, kept }) {
  return markerBox(what, about, kept ? "not shown" : "not kept");
}

/** What can't be shown: what it is, and why. */
function markerBox(what, about, why = "not kept") {
  return node(
    h("p", { class: "marker", dir: "auto" }, h("span", { class: "quiet" }, `${what} `), about, h("span", { class: "quiet" }, ` ${why}`)),
  );
}

function thinkingBox({ text: said }, write) {
  return node(
    h(
      "details",
      { class: "thinking" },
      h("summary", {}, "Thinking ", h("span", { class: "quiet" }, characters(said.length))),
      island("text", () => write(said)),
    ),
  );
}

function callBox({ name, id, given }) {
  return node(
    h(
      "div",
      { class: "tool call" },
      h("p", { class: "what" }, "calls ", h("strong", {}, name), id === "" ? null : h("span", { class: "quiet" }, ` (${id})`)),
      given === null || (given.type === "object" && given.entries.length === 0 && !given.cut)
        ? h("p", { class: "missing" }, "no arguments")
        : island("given", () => jsonOrText(given)),
    ),
  );
}

function resultBox({ name, id, content, failed }, names, write) {
  const whose = name || names.get(id) || "";
  return node(
    h(
      "div",
      { class: failed ? "tool result failed-result" : "tool result" },
      h(
        "p",
        { class: "what" },
        failed ? "failure of " : "result of ",
        h("strong", {}, whose || "a tool"),
        id === "" ? null : h("span", { class: "quiet" }, ` (${id})`),
      ),
      content === null ? h("p", { class: "missing" }, "nothing") : resultBlocks(content, names, write),
    ),
  );
}

function resultBlocks(content, names, write) {
  if (content.type === "array") {
    const message = asMessage({ type: "object", entries: [["role", { type: "string", value: "tool" }], ["content", content]] });
    if (message !== null && content.items.length > 0)
      return message.blocks.map((block, position) => island(`block-${position}`, () => textOrJson(block, names, write)));
  }
  return island("content", () => jsonOrText(content));
}

/** A tool's text is as often JSON as it is words. */
function textOrJson(block, names, write) {
  if (block.kind !== "text" || isMarker(block.text)) return blockBox(block, names, write);
  return jsonOrText({ type: "string", value: block.text });
}

/** Arguments, or a result: JSON as JSON, also where it stands in a string; anything else as its text. */
function jsonOrText(value) {
  const read = value.type === "string" ? parse(value.value) : value;
  if (value.type === "string" && (read === null || !isContainer(read))) {
    if (isMarker(value.value)) return markerBox("media", value.value.slice(1, -1));
    return value.value === "" ? node(h("p", { class: "missing" }, "empty")) : code(value.value);
  }
  return read.type === "object" && read.entries.length <= 12 ? argumentList(read) : jsonTree(read);
}

function code(text) {
  return longText(text, { className: isTraceback(text) ? "code unwrapped" : "code" });
}

function argument(child) {
  if (child.type === "string" && child.value !== "") return code(child.value);
  const short = isContainer(child) ? brief(child, SHORT_CHARACTERS + 1) : "";
  return short !== "" && short.length <= SHORT_CHARACTERS ? node(h("code", { dir: "auto" }, short)) : jsonTree(child);
}

function argumentList(read) {
  return node(
    h(
      "dl",
      { class: "arguments" },
      read.entries.map(([key, child]) => [
        h("dt", { dir: "auto" }, key),
        h(
          "dd",
          {},
          island(`argument-${key}`, () => argument(child)),
        ),
      ]),
    ),
  );
}
