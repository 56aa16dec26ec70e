// A JSON value goes in, a chat comes out where it is one, whichever provider's words it is in.
//
// A message is {role, name, blocks, more}: its blocks are what is drawn, `more` are the members that none of them shows.
// What is read, by its members alone: OpenAI's chat completions and responses, which most others take too, Anthropic's
// messages, Gemini's contents, Bedrock's, Ollama's, and the plain shape that our own model calls are recorded in.
//
//   {kind: "text" | "thinking" | "refusal", text}      {kind: "image", url, about}
//   {kind: "call", name, id, given}                    {kind: "media", about}
//   {kind: "result", name, id, content, failed}        {kind: "other", node}

import { brief, isContainer, member, parse, text } from "./json.js";

// Provider's role → ours.
const ROLES = { developer: "system", model: "assistant", function: "tool" };

// Provider's type of a part, or of an item among messages → what it is.
const PARTS = {
  text: written,
  input_text: written,
  output_text: written,
  summary_text: written,
  reasoning_text: written,
  refusal: (part) => ({ kind: "refusal", text: text(member(part, "refusal")) ?? "" }),
  thinking: (part) => ({ kind: "thinking", text: text(member(part, "thinking")) ?? "" }),
  redacted_thinking: () => ({ kind: "thinking", text: "The provider keeps it to itself." }),
  reasoning: (part) => ({ kind: "thinking", text: gathered(member(part, "summary"), member(part, "content")) }),
  tool_use: called,
  server_tool_use: called,
  mcp_tool_use: called,
  mcp_call: called,
  function_call: called,
  custom_tool_call: called,
  tool_result: answered,
  function_call_output: answered,
  custom_tool_call_output: answered,
  web_search_tool_result: answered,
  code_execution_tool_result: answered,
  mcp_tool_result: answered,
  image: pictured,
  image_url: pictured,
  input_image: pictured,
  audio: (part) => heard(part, "audio"),
  input_audio: (part) => heard(part, "audio"),
  video: (part) => heard(part, "video"),
  file: (part) => heard(part, "file"),
  input_file: (part) => heard(part, "file"),
  document: (part) => heard(part, "document"),
};

// Of parts without a type, as Gemini's and Bedrock's: the member that says what it is.
const UNTYPED = [
  ["text", (part) => (text(member(part, "text")) === undefined ? null : thought(part))],
  ["function_call", (part) => called(member(part, "function_call"))],
  ["functionCall", (part) => called(member(part, "functionCall"))],
  ["toolUse", (part) => called(member(part, "toolUse"))],
  ["function_response", (part) => answered(member(part, "function_response"))],
  ["functionResponse", (part) => answered(member(part, "functionResponse"))],
  ["toolResult", (part) => answered(member(part, "toolResult"))],
  ["inline_data", (part) => heard(member(part, "inline_data"), "")],
  ["inlineData", (part) => heard(member(part, "inlineData"), "")],
  ["file_data", (part) => heard(member(part, "file_data"), "file")],
  ["fileData", (part) => heard(member(part, "fileData"), "file")],
];

// Items of a list of messages that have no role: whose they are.
const ITEMS = {
  reasoning: "assistant",
  function_call: "assistant",
  custom_tool_call: "assistant",
  mcp_call: "assistant",
  function_call_output: "tool",
  custom_tool_call_output: "tool",
};

// --- Values ----------------------------------------------------------------------------------------------------------

/** The messages of a list of them; else null. */
export function asChat(read) {
  const items = read.type === "array" ? read.items : null;
  if (items === null || items.length === 0) return null;
  const messages = items.map((item) => asMessage(item) ?? asItem(item));
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
  if (role === undefined) return null;
  const names = ["content", "parts", "tool_calls", "thinking", "refusal", "function_call"];
  if (!names.some((name) => member(node, name) !== undefined) && !node.cut) return null;
  const content = member(node, "content") ?? member(node, "parts");
  if (content !== undefined && !isContent(content)) return null;
  return messageOf(role, node, content);
}

/** What a call was asked: `{messages, rest}` of an object that has a conversation in it; else null. */
export function asAsked(read) {
  if (read.type !== "object") return null;
  for (const name of ["messages", "contents", "input"]) {
    const found = member(read, name);
    const chat = found === undefined ? null : asChat(found);
    if (chat === null) continue;
    const shown = new Set([name]);
    const before = [];
    for (const system of ["system", "system_instruction", "systemInstruction", "instructions"]) {
      const given = member(read, system);
      const said = given === undefined ? null : systemMessage(given);
      if (said === null) continue;
      shown.add(system);
      before.push(said);
    }
    return { messages: [...before, ...chat], rest: read.entries.filter(([key, child]) => !shown.has(key) && isThere(child)) };
  }
  return null;
}

/** What a provider answered: `{messages, rest}` of a whole response; else null. */
export function asAnswer(read) {
  if (read.type !== "object") return null;
  for (const [name, messagesOf] of RESPONSES) {
    const found = member(read, name);
    const messages = found === undefined ? null : messagesOf(found, read);
    if (messages !== null && messages.length > 0)
      return { messages, rest: read.entries.filter(([key, child]) => key !== name && isThere(child)) };
  }
  return null;
}

// Where a provider's response has its messages: OpenAI and those like it, Gemini, OpenAI's responses, Ollama and Cohere.
const RESPONSES = [
  ["choices", (found) => each(found, choice)],
  ["candidates", (found) => each(found, candidate)],
  ["output", (found, read) => (isResponse(read) ? items(found) : bedrock(found))],
  ["message", (found) => [asMessage(found)].filter(Boolean)],
];

function each(found, messageOfOne) {
  if (found.type !== "array") return null;
  const messages = found.items.map(messageOfOne);
  return messages.includes(null) ? null : messages;
}

function choice(node) {
  const said = member(node, "message") ?? member(node, "delta");
  // Of a completion. A question of several choices has texts too, which nobody said.
  const words = member(node, "finish_reason") === undefined ? undefined : text(member(node, "text"));
  const message =
    said !== undefined
      ? inside(said, "assistant", "content")
      : words !== undefined
        ? { role: "assistant", name: "", blocks: [{ kind: "text", text: words }], more: [] }
        : null;
  return message === null ? null : withMore(message, node, ["message", "delta", "text", "index"]);
}

function candidate(node) {
  const content = member(node, "content");
  const message = content === undefined ? null : inside(content, "model", "parts");
  return message === null ? null : withMore(message, node, ["content", "index"]);
}

/** A message that may leave its role unsaid, since only one has a place there. */
function inside(node, role, name) {
  const content = member(node, name);
  if (node.type !== "object" || (content !== undefined && !isContent(content))) return null;
  return messageOf(text(member(node, "role")) ?? role, node, content);
}

/** A response's items, each kind of which says something else of one and the same answer. */
function items(found) {
  if (found.type !== "array") return null;
  const messages = found.items.map((item) => asMessage(item) ?? asItem(item) ?? otherItem(item));
  if (messages.includes(null)) return null;
  const [first, ...others] = messages;
  if (first === undefined || !messages.every(({ role }) => role === first.role)) return messages;
  return [
    {
      ...first,
      blocks: [...first.blocks, ...others.flatMap(({ blocks }) => blocks)],
      more: messages.length === 1 ? first.more : [],
    },
  ];
}

function isResponse(read) {
  const found = member(read, "output").items ?? [];
  return (
    text(member(read, "object")) === "response" ||
    (found.every((item) => text(member(item, "type")) !== undefined) && found.some((item) => (asMessage(item) ?? asItem(item)) !== null))
  );
}

function bedrock(found) {
  const message = member(found, "message");
  return message === undefined ? null : [asMessage(message)].filter(Boolean);
}

function withMore(message, node, known) {
  const more = node.entries.filter(([key, child]) => !known.includes(key) && isThere(child));
  return { ...message, more: [...message.more, ...more] };
}

function systemMessage(given) {
  if (given.type === "string") return { role: "system", name: "", blocks: [{ kind: "text", text: given.value }], more: [] };
  const content = member(given, "parts") ?? given;
  if (content.type !== "array" || !isContent(content)) return null;
  return { role: "system", name: "", blocks: blocksOf(content), more: [] };
}

// --- Messages --------------------------------------------------------------------------------------------------------

const KNOWN = new Set([
  ...["role", "content", "parts", "name", "tool_name", "tool_calls", "tool_call_id", "function_call"],
  ...["thinking", "reasoning_content", "reasoning", "thinking_blocks", "refusal", "audio"],
]);

function messageOf(role, node, content) {
  const plain = ROLES[role] ?? role;
  const said = content === undefined ? [] : blocksOf(content);
  const id = text(member(node, "tool_call_id"));
  const name = text(first(node, ["name", "tool_name"])) ?? "";
  // What a tool answered is one thing, however many parts it has.
  const body =
    plain === "tool" && (id !== undefined || content?.type === "string") && content !== undefined && isThere(content)
      ? [{ kind: "result", name, id: id ?? "", content, failed: false }]
      : said;
  const thinking = text(member(node, "thinking")) ?? text(member(node, "reasoning_content")) ?? text(member(node, "reasoning"));
  const refusal = text(member(node, "refusal"));
  const audio = member(node, "audio");
  const calls = member(node, "tool_calls");
  const older = member(node, "function_call");
  const images = member(node, "images");
  const pictures = images?.type === "array" && images.items.every(({ type }) => type === "string") ? images.items : [];
  const blocks = [
    ...(thinking ? [{ kind: "thinking", text: thinking }] : []),
    ...body,
    ...pictures.map(({ value }) => ({ kind: "image", url: addressed(value), about: "" })),
    ...(refusal ? [{ kind: "refusal", text: refusal }] : []),
    ...(audio?.type === "object" ? [heard(audio, "audio")] : []),
    ...(calls?.type === "array" ? calls.items.map(called) : []),
    ...(older?.type === "object" ? [called(older)] : []),
  ];
  // Anthropic's and Gemini's users hand on what tools answered.
  const isTools = plain === "user" && blocks.length > 0 && blocks.every(({ kind }) => kind === "result");
  const isNamed = ([key, child]) =>
    KNOWN.has(key) || (key === "type" && text(child) === "message") || (key === "images" && pictures.length > 0);
  return {
    role: isTools ? "tool" : plain,
    name: body[0]?.kind === "result" ? "" : name,
    blocks,
    more: node.entries.filter((entry) => !isNamed(entry) && isThere(entry[1])),
  };
}

/** An item without a role among messages, as a message of whoever made it; or null. */
function asItem(node) {
  const type = text(member(node, "type"));
  if (type === undefined || !Object.hasOwn(ITEMS, type)) return null;
  return { role: ITEMS[type], name: "", blocks: [PARTS[type](node)], more: [] };
}

function otherItem(node) {
  return node.type === "object" ? { role: "assistant", name: "", blocks: [{ kind: "other", node }], more: [] } : null;
}

function isContent(content) {
  if (content.type === "string" || content.source === "null") return true;
  return content.type === "array" && content.items.every((part) => part.type === "string" || isPart(part));
}

function isPart(part) {
  if (part.type !== "object") return false;
  return part.cut || text(member(part, "type")) !== undefined || UNTYPED.some(([name]) => member(part, name) !== undefined);
}

function isThere(node) {
  if (isContainer(node)) return node.cut || (node.entries ?? node.items).length > 0;
  return node.source !== "null" && node.value !== "";
}

// --- Blocks ----------------------------------------------------------------------------------------------------------

function blocksOf(content) {
  if (content.source === "null") return [];
  if (content.type === "string") return [{ kind: "text", text: content.value }];
  return content.items.map(blockOf);
}

function blockOf(part) {
  if (part.type === "string") return { kind: "text", text: part.value };
  const type = text(member(part, "type"));
  if (type !== undefined && Object.hasOwn(PARTS, type)) return PARTS[type](part) ?? { kind: "other", node: part };
  for (const [name, make] of UNTYPED) {
    const block = member(part, name) === undefined ? null : make(part);
    if (block !== null) return block;
  }
  return { kind: "other", node: part };
}

function written(part) {
  const found = text(member(part, "text"));
  return found === undefined ? null : { kind: "text", text: found };
}

function thought(part) {
  return { kind: member(part, "thought")?.source === "true" ? "thinking" : "text", text: text(member(part, "text")) };
}

function gathered(...lists) {
  const found = lists.find((list) => list?.type === "array" && list.items.length > 0);
  const texts = (found?.items ?? []).map((part) => text(member(part, "text")) ?? text(part) ?? "");
  return texts.join("\n\n") || "The provider keeps it to itself.";
}

/** A tool call: its name, and its arguments as JSON where they are (they come as JSON in a string). */
function called(node) {
  const inside = [member(node, "function"), member(node, "custom")].find((each) => each?.type === "object") ?? node;
  const given = first(inside, ["arguments", "input", "args"]) ?? null;
  const read = given?.type === "string" ? (parse(given.value) ?? given) : given;
  const id = text(first(node, ["call_id", "id", "toolUseId"])) ?? "";
  return { kind: "call", name: text(member(inside, "name")) ?? "tool", id, given: read };
}

/** What a tool answered. */
function answered(node) {
  const content = first(node, ["content", "output", "response", "result"]) ?? null;
  const failed = member(node, "is_error")?.source === "true" || text(member(node, "status")) === "error";
  return {
    kind: "result",
    name: text(member(node, "name")) ?? "",
    id: text(first(node, ["tool_use_id", "call_id", "tool_call_id", "toolUseId", "id"])) ?? "",
    content,
    failed,
  };
}

function first(node, names) {
  const name = names.find((each) => member(node, each) !== undefined);
  return name === undefined ? undefined : member(node, name);
}

/** A picture: its address, which may hold it. */
function pictured(part) {
  const image = first(part, ["image_url", "source", "image"]);
  const inside = image?.type === "object" ? image : part;
  const url = text(image) ?? text(first(inside, ["url", "image_url", "file_uri", "uri"]));
  if (url !== undefined) return { kind: "image", url, about: "" };
  return heard(inside, "image");
}

// How the base64 of a picture begins that nobody says the type of, as Ollama's.
const BEGINNINGS = [
  ["iVBORw0KGgo", "png"],
  ["/9j/", "jpeg"],
  ["R0lGOD", "gif"],
  ["UklGR", "webp"],
];

/** The address of a picture that stands as such, or as its base64 alone. */
function addressed(given) {
  const found = BEGINNINGS.find(([beginning]) => given.startsWith(beginning));
  return found === undefined ? given : `data:image/${found[1]};base64,${given}`;
}

/** A picture, sound or file by its data beside its type, or by whatever is said of it. */
function heard(part, what) {
  const inside =
    [member(part, "input_audio"), member(part, "file"), member(part, "source")].find((each) => each?.type === "object") ?? part;
  const media = text(first(inside, ["media_type", "mime_type", "mimeType"])) ?? text(member(inside, "format")) ?? "";
  const data = text(first(inside, ["data", "file_data", "bytes"])) ?? "";
  if (what === "image" || media.startsWith("image/")) {
    const url = data === "" || isMarker(data) || data.startsWith("data:") ? data : `data:${media};base64,${data}`;
    if (url !== "") return { kind: "image", url, about: "" };
  }
  const named = text(first(inside, ["name", "filename", "display_name", "title"])) ?? "";
  const elsewhere = text(first(inside, ["url", "file_url", "file_uri", "fileUri", "uri", "file_id", "id"])) ?? "";
  const held = isMarker(data) ? data.slice(1, -1) : data === "" ? "" : sized(data);
  const said = text(member(part, "transcript")) ?? "";
  const about = [named, media, elsewhere, held].filter(Boolean).join(", ");
  return { kind: "media", what: what || "file", about, said, kept: data !== "" && !isMarker(data) };
}

function sized(data) {
  return `${Math.floor((data.replace(/^data:[^,]*,/, "").length * 3) / 4).toLocaleString("en")} bytes`;
}

// What is left of a picture, a sound or a file that was too large to be kept.
const MARKER = /^\[[a-z]+\/[\w.+-]+, [\d,]+ bytes[^[\]]*\]$/i;

/** Whether a text stands in the place of a picture, a sound or a file. */
export function isMarker(said) {
  return said.length < 300 && MARKER.test(said);
}

// --- Words -----------------------------------------------------------------------------------------------------------

/** The words of a message: its texts, what it calls, its other parts named in brackets; no thoughts. */
export function wordsOf(message) {
  return message.blocks.map(wordsOfBlock).filter(Boolean).join(" ");
}

function wordsOfBlock(block) {
  if (block.kind === "text" || block.kind === "refusal") return block.text;
  if (block.kind === "call") return `calls ${block.name}(${block.given === null ? "" : (text(block.given) ?? brief(block.given, 200))})`;
  if (block.kind === "image") return "[image]";
  if (block.kind === "media") return `[${block.what}]`;
  if (block.kind === "result") return contentWords(block.content);
  if (block.kind === "other") return `[${text(member(block.node, "type")) ?? "…"}]`;
  return "";
}

function contentWords(content) {
  if (content === null) return "";
  if (isContent(content)) return blocksOf(content).map(wordsOfBlock).filter(Boolean).join(" ");
  return "{…}";
}
