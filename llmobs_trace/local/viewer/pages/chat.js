// A JSON value goes in, a chat comes out where it is one: messages of {role, content}, content parts included.

import { member, parse, text } from "./json.js";

/** The messages `[{role, name, content, calls, more}]` of a list of {role, content}, or of a single one; else null. */
export function asChat(read) {
  const items = read.type === "array" ? read.items : null;
  if (items === null || items.length === 0) return null;
  const messages = items.map(asMessage);
  // The last one may have been cut off before its content.
  return messages.every(
    (message, index) => message !== null || (read.cut && index === messages.length - 1 && index > 0),
  )
    ? messages.filter((each) => each !== null)
    : null;
}

/** One message, or null. */
export function asMessage(node) {
  const role = text(member(node, "role"));
  const content = member(node, "content");
  if (role === undefined) return null;
  const calls = member(node, "tool_calls");
  if (content === undefined && calls === undefined && !node.cut) return null;
  if (content !== undefined && !isContent(content)) return null;
  const known = new Set(["role", "content", "tool_calls", "name"]);
  return {
    role,
    name: text(member(node, "name")) ?? "",
    content: content ?? null,
    calls: calls?.type === "array" ? calls.items.map(asCall) : [],
    more: node.entries.filter(([key]) => !known.has(key)),
  };
}

function isContent(content) {
  if (content.type === "string" || content.source === "null") return true;
  return (
    content.type === "array" &&
    content.items.every(
      (part) =>
        part.type === "string" ||
        (part.type === "object" && (text(member(part, "type")) !== undefined || part.cut)),
    )
  );
}

/** A tool call: its name, and its arguments as JSON where they are (they come as JSON in a string). */
function asCall(node) {
  const called = member(node, "function") ?? node;
  const given = member(called, "arguments") ?? member(called, "input") ?? null;
  const read = given?.type === "string" ? (parse(given.value) ?? given) : given;
  return { name: text(member(called, "name")) ?? "tool", id: text(member(node, "id")) ?? "", given: read };
}

/** The parts of a message's content: `[{kind: "text" | "image" | "other", text, node}]`. */
export function parts(content) {
  if (content === null || content.source === "null") return [];
  if (content.type === "string") return [{ kind: "text", text: content.value, node: content }];
  return content.items.map((part) => {
    if (part.type === "string") return { kind: "text", text: part.value, node: part };
    const written = text(member(part, "text"));
    if (written !== undefined) return { kind: "text", text: written, node: part };
    const image = member(part, "image_url");
    const url = text(image) ?? text(member(image, "url"));
    if (url !== undefined) return { kind: "image", text: url, node: part };
    return { kind: "other", text: text(member(part, "type")) ?? "", node: part };
  });
}

/** The words of a content, its other parts named in brackets. */
export function contentText(content) {
  return content === undefined
    ? ""
    : parts(content)
        .map((part) =>
          part.kind === "text" ? part.text : `[${part.kind === "image" ? "image" : part.text}]`,
        )
        .join(" ");
}
