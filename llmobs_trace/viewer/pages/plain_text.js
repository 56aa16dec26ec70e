// A recorded value's JSON text goes in, the text that a reader would compare comes out: words, else indented JSON.

import { asAnswer, asMessage, wordsOf } from "./chat.js";
import { isContainer, parse, unwrapped } from "./json.js";

/** A string's text, a message's words, an only value; everything else a member a line. */
export function plainText(source) {
  if (source === null || source === undefined) return "";
  const whole = parse(source);
  if (whole === null) return source;
  const read = unwrapped(whole);
  if (read.type === "string") return read.value;
  const message = asMessage(read);
  if (message !== null && message.more.length === 0) return wordsOf(message);
  const answer = asAnswer(read);
  return answer === null ? indented(read) : answer.messages.map(wordsOf).join("\n\n");
}

/** JSON with a member a line, as it was written otherwise: without recursion, since any depth may come. */
function indented(root) {
  const lines = [];
  const waiting = [{ node: root, depth: 0, before: "", after: "" }];
  while (waiting.length > 0) {
    const { text, node, depth, before, after } = waiting.pop();
    const indent = "  ".repeat(Math.min(depth, 40));
    if (text !== undefined) lines.push(indent + text);
    else if (!isContainer(node)) lines.push(`${indent}${before}${leaf(node)}${after}`);
    else {
      const [opening, closing] = node.type === "object" ? "{}" : "[]";
      const members = node.type === "object" ? node.entries : node.items.map((item) => [null, item]);
      if (members.length === 0) {
        lines.push(`${indent}${before}${opening}${closing}${after}`);
        continue;
      }
      lines.push(`${indent}${before}${opening}`);
      waiting.push({ text: closing + after, depth });
      members
        .map(([key, child], index) => ({
          node: child,
          depth: depth + 1,
          before: key === null ? "" : `${JSON.stringify(key)}: `,
          after: index < members.length - 1 ? "," : "",
        }))
        .reverse()
        .forEach((each) => waiting.push(each));
    }
  }
  return lines.join("\n");
}

function leaf(node) {
  return node.type === "string" ? JSON.stringify(node.value) : node.source;
}
