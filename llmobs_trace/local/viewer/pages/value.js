// A recorded value's JSON text goes in, the best way to read it comes out: words, a chat, or a tree.

import { h, island, node } from "./dom.js";
import { asChat, asMessage, parts } from "./chat.js";
import { characters } from "./format.js";
import { isContainer, parse } from "./json.js";
import { jsonTree } from "./jsontree.js";
import { longText } from "./longtext.js";

/**
 * Describe a value for a page. `cut`: the text is only the beginning of the value's; `whole()` then resolves to all
 * of it.
 */
export function value(source, { cut = false, whole = null } = {}) {
  if (source === null || source === undefined) return h("p", { class: "missing" }, "None was recorded.");
  return island(`value-${cut}-${source}`, () => {
    const box = node(h("div", { class: "value-box" }));
    fill(box, source, cut ? whole : null);
    return box;
  });
}

function fill(box, source, whole, raw = false) {
  const load =
    whole === null
      ? null
      : async (event) => {
          const button = event?.currentTarget;
          if (button) button.disabled = true;
          try {
            fill(box, await whole(), null);
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
  if (load !== null) {
    const more = node(
      h("button", { class: "more", type: "button" }, "This is the beginning of it. Load the whole value"),
    );
    more.addEventListener("click", load);
    children.push(more);
  }
  if (read !== null && isContainer(read) && formed?.[0]?.className !== "json" && whole === null) {
    const toggle = node(
      h("button", { class: "quiet as", type: "button", "aria-pressed": raw ? "true" : "false" }, "JSON"),
    );
    toggle.addEventListener("click", () => {
      fill(box, source, whole, !raw);
      box.querySelector("button.as")?.focus();
    });
    children.unshift(toggle);
  }
  box.replaceChildren(...children);
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
  // What is no object travels as one under this name, as an expected output does.
  if (read.type === "object" && read.entries.length === 1 && read.entries[0][0] === "value" && !read.cut)
    return wellFormed(read.entries[0][1]);
  if (
    read.type === "object" &&
    read.entries.length <= 12 &&
    read.entries.some(([, child]) => readsBetter(child))
  )
    return [fields(read)];
  return [jsonTree(read)];
}

/** Whether a member is better read as what it is than as JSON: a chat, or a text of several lines or words. */
function readsBetter(child) {
  return (
    asChat(child) !== null ||
    asMessage(child) !== null ||
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

function chatList(messages) {
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
          parts(message.content).map((part, position) =>
            island(`part-${index}-${position}`, () => partBox(part)),
          ),
          message.calls.map((call, position) => island(`call-${index}-${position}`, () => callBox(call))),
          message.more.length === 0
            ? null
            : island(`more-${index}`, () => jsonTree({ type: "object", entries: message.more })),
        ),
      ),
    ),
  );
}

function known(role) {
  return ["system", "developer", "user", "assistant", "tool"].includes(role) ? role : "other";
}

function partBox(part) {
  if (part.kind === "text")
    return part.text === "" ? node(h("p", { class: "missing" }, "empty")) : longText(part.text);
  if (part.kind === "image") return imageBox(part.text);
  return jsonTree(part.node);
}

// What a browser draws without running it; SVG is left out.
const IMAGE = /^data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+$/;

function imageBox(url) {
  const box = node(
    h(
      "div",
      { class: "image" },
      h(
        "p",
        { class: "quiet" },
        `image: ${url.length > 120 ? `${url.slice(0, 80)}… (${characters(url.length)})` : url}`,
      ),
    ),
  );
  if (IMAGE.test(url)) {
    const show = node(h("button", { class: "more", type: "button" }, "Show the image"));
    show.addEventListener("click", () =>
      show.replaceWith(node(h("img", { src: url, alt: "An image that was part of this message" }))),
    );
    box.append(show);
  }
  return box;
}

function callBox(call) {
  const box = node(
    h(
      "div",
      { class: "call" },
      h(
        "p",
        { class: "quiet" },
        "calls ",
        h("strong", {}, call.name),
        call.id === "" ? null : ` (${call.id})`,
      ),
    ),
  );
  if (call.given !== null)
    box.append(
      call.given.type === "string" ? longText(call.given.value, { className: "code" }) : jsonTree(call.given),
    );
  return box;
}
