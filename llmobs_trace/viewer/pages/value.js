// A recorded value's JSON text goes in, the best way to read it comes out: words, a chat, or a tree.

import { h, island, node } from "./dom.js";
import { asAnswer, asAsked, asChat, asMessage, isMarker } from "./chat.js";
import { characters, counted, number } from "./format.js";
import { brief, isContainer, member, parse, text, unwrapped } from "./json.js";
import { jsonTree } from "./jsontree.js";
import { longText } from "./longtext.js";

/**
 * Describe a value for a page. `cut`: the text is only the beginning of the value's, or of a conversation the end,
 * without its `leftOut` oldest messages; `whole()` then resolves to all of it. `waiting`: more is on its way already.
 */
export function value(source, { cut = false, leftOut = 0, waiting = false, whole = null } = {}) {
  if (source === null || source === undefined) return h("p", { class: "missing" }, "None was recorded.");
  return island(`value-${cut}-${waiting}-${source}`, () => {
    const box = node(h("div", { class: "value-box" }));
    fill(box, source, cut ? { whole, leftOut, waiting } : null);
    return box;
  });
}

function fill(box, source, rest, raw = false) {
  const load =
    rest === null
      ? null
      : async (event) => {
          const button = event?.currentTarget;
          if (button) button.disabled = true;
          try {
            fill(box, await rest.whole(), null);
          } catch (error) {
            box.append(
              node(h("p", { class: "failed", role: "alert" }, `The rest can't be had: ${error.message}`)),
            );
          }
        };
  const read = parse(source);
  const formed = read === null || raw ? null : wellFormed(read);
  const children = [];
  if (read === null || (raw && !isContainer(read))) children.push(longText(source, { className: "code" }));
  else if (raw) children.push(jsonTree(read));
  else children.push(...formed);
  if (rest?.waiting) children.push(node(h("p", { class: "quiet" }, "This is a part of it. Loading the rest…")));
  else if (load !== null) {
    const more = node(h("button", { class: "more", type: "button" }, missing(rest)));
    more.addEventListener("click", load);
    if (rest.leftOut > 0) children.unshift(more);
    else children.push(more);
  }
  if (read !== null && isContainer(read) && formed?.[0]?.className !== "json" && rest === null) {
    const toggle = node(
      h("button", { class: "quiet as", type: "button", "aria-pressed": raw ? "true" : "false" }, "JSON"),
    );
    toggle.addEventListener("click", () => {
      fill(box, source, rest, !raw);
      box.querySelector("button.as")?.focus();
    });
    children.unshift(toggle);
  }
  box.replaceChildren(...children);
}

function missing({ leftOut }) {
  return leftOut > 0
    ? `The ${leftOut === 1 ? "oldest message is" : `${number(leftOut)} oldest messages are`} not shown. Load the whole value`
    : "This is the beginning of it. Load the whole value";
}

function wellFormed(read) {
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
        : longText(read.value + (read.cut ? "…" : "")),
    ];
  const single = read.type === "object" ? asMessage(read) : null;
  const chat = single === null ? asChat(read) : [single];
  if (chat !== null) return [chatList(chat)];
  const inner = unwrapped(read);
  if (inner !== read && !read.cut) return wellFormed(inner);
  if (!read.cut) {
    const asked = asAsked(read);
    if (asked !== null) return [chatList(asked.messages), ...others(asked.rest, "Asked with")];
    const answer = asAnswer(read);
    if (answer !== null) return [chatList(answer.messages), ...others(answer.rest, "The rest of the response")];
    const vectors = asVectors(read);
    if (vectors !== null) return [node(h("p", {}, vectors))];
  }
  if (
    read.type === "object" &&
    read.entries.length <= 12 &&
    read.entries.some(([, child]) => readsBetter(child))
  )
    return [fields(read)];
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
    (child.type === "string" && (child.value.length > 100 || child.value.includes("\n")))
  );
}

function fields(read) {
  return node(
    h(
      "dl",
      { class: "fields" },
      read.entries.map(([key, child]) => [
        h("dt", { dir: "auto" }, key),
        h(
          "dd",
          {},
          island(`field-${key}`, () => field(child)),
        ),
      ]),
    ),
  );
}

function field(child) {
  const box = node(h("div", {}));
  box.append(...(child.type === "string" || readsBetter(child) ? wellFormed(child) : [jsonTree(child)]));
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

/** A member as its name, with its value where that is a word. */
function shortly([key, child]) {
  const said = isContainer(child) ? "" : child.type === "string" ? child.value : child.source;
  return said === "" || said.length > 24 ? key : `${key} ${said}`;
}

function folded(title, read) {
  return h(
    "details",
    { class: "others" },
    h("summary", { dir: "auto" }, title.length > 200 ? `${title.slice(0, 200)}…` : title),
    island("json", () => jsonTree(read)),
  );
}

function chatList(messages) {
  const names = new Map();
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
          message.blocks.map((block, position) => island(`block-${index}-${position}`, () => blockBox(block, names))),
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

function known(role) {
  return ["system", "user", "assistant", "tool"].includes(role) ? role : "other";
}

function blockBox(block, names) {
  switch (block.kind) {
    case "text":
      if (isMarker(block.text)) return markerBox("media", block.text.slice(1, -1));
      return block.text === "" ? node(h("p", { class: "missing" }, "empty")) : longText(block.text);
    case "thinking":
      return thinkingBox(block);
    case "refusal":
      return node(h("div", { class: "refusal" }, h("p", { class: "quiet" }, "refuses"), island("text", () => longText(block.text))));
    case "image":
      return isMarker(block.url) ? markerBox("image", block.url.slice(1, -1)) : imageBox(block.url);
    case "media":
      return block.said === ""
        ? mediaBox(block)
        : node(h("div", {}, island("media", () => mediaBox(block)), island("said", () => longText(block.said))));
    case "call":
      return callBox(block);
    case "result":
      return resultBox(block, names);
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

function thinkingBox({ text: said }) {
  return node(
    h(
      "details",
      { class: "thinking" },
      h("summary", {}, "Thinking ", h("span", { class: "quiet" }, characters(said.length))),
      island("text", () => longText(said)),
    ),
  );
}

// An argument that is shorter is written on its line.
const SHORT_CHARACTERS = 60;

// What a browser draws without running it; SVG is left out.
const IMAGE = /^data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+$/;
// Larger ones are drawn when they are asked for.
const SMALL_IMAGE = 200_000;

function imageBox(url) {
  const kind = IMAGE.exec(url)?.[1];
  if (kind === undefined)
    return node(
      h(
        "div",
        { class: "image" },
        h("p", { class: "quiet" }, `image: ${url.length > 120 ? `${url.slice(0, 80)}… (${characters(url.length)})` : url}`),
      ),
    );
  const box = node(h("div", { class: "image" }));
  const size = `${number(Math.floor(((url.length - url.indexOf(",") - 1) * 3) / 4))} bytes`;
  const drawn = () => node(h("img", { src: url, alt: "An image that was part of this message" }));
  if (url.length <= SMALL_IMAGE) box.append(drawn());
  else {
    const show = node(h("button", { class: "more", type: "button" }, "Show the image"));
    show.addEventListener("click", () => show.replaceWith(drawn()));
    box.append(show);
  }
  box.append(node(h("p", { class: "quiet" }, `image/${kind}, ${size}`)));
  return box;
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

function resultBox({ name, id, content, failed }, names) {
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
      content === null ? h("p", { class: "missing" }, "nothing") : resultBlocks(content, names),
    ),
  );
}

function resultBlocks(content, names) {
  if (content.type === "array") {
    const message = asMessage({ type: "object", entries: [["role", { type: "string", value: "tool" }], ["content", content]] });
    if (message !== null && content.items.length > 0)
      return message.blocks.map((block, position) => island(`block-${position}`, () => textOrJson(block, names)));
  }
  return island("content", () => jsonOrText(content));
}

/** A tool's text is as often JSON as it is words. */
function textOrJson(block, names) {
  if (block.kind !== "text" || isMarker(block.text)) return blockBox(block, names);
  return jsonOrText({ type: "string", value: block.text });
}

/** Arguments, or a result: JSON as JSON, also where it stands in a string; anything else as its text. */
function jsonOrText(value) {
  const read = value.type === "string" ? parse(value.value) : value;
  if (value.type === "string" && (read === null || !isContainer(read))) {
    if (isMarker(value.value)) return markerBox("media", value.value.slice(1, -1));
    return value.value === "" ? node(h("p", { class: "missing" }, "empty")) : longText(value.value, { className: "code" });
  }
  return read.type === "object" && read.entries.length <= 12 ? argumentList(read) : jsonTree(read);
}

function argument(child) {
  if (child.type === "string" && child.value !== "") return longText(child.value, { className: "code" });
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
