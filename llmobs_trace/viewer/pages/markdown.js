// A text in markdown goes in, a description of what it means comes out: no markup is parsed, none is made.
//
// A small part of it: headings, lists, quotes, tables, code, rules, and what stands within lines (markdown_inline.js).
// HTML is text. Each line is read once a level, of which there are few: the work grows with the text alone.

import { h, island } from "./dom.js";
import { isContainer, parse } from "./json.js";
import { jsonTree } from "./jsontree.js";
import { longText } from "./longtext.js";
import { inline, isFollowed, wordsOf } from "./markdown_inline.js";
import { isPicture, picture } from "./picture.js";

const MOST_LEVELS = 8;
const MOST_CELLS = 40;
const MOST_ROWS = 500;
// JSON that is longer is folded; of other code that is longer, the beginning is shown.
const JSON_CHARACTERS = 400;
const CODE_CHARACTERS = 4_000;

const FENCE = /^ {0,3}(`{3,}|~{3,})([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])( {1,4}|$)(.*)$/;
const QUOTE = /^ {0,3}> ?/;
const RULE = /^ {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const DELIMITER = /^:?-+:?$/;
const BLANK = /^[ \t]*$/;

/** The text as descriptions of its parts. */
export function markdown(text) {
  return blocks(text.replaceAll("\r\n", "\n").split("\n"), 0);
}

/**
 * Where a piece of a long text ends that begins at a place: where a part of it does, outside of code, if one does
 * within so many characters.
 */
export function markdownEnd(text, from, size) {
  const limit = from + size;
  let fence = null;
  let part = -1;
  let at = from;
  while (at < text.length) {
    const next = text.indexOf("\n", at);
    const end = next === -1 ? text.length : next + 1;
    if (end > (fence === null ? limit : from + 10 * size)) break;
    const line = text.slice(at, Math.min(end, at + 200)).trimEnd();
    const opening = fence === null ? FENCE.exec(line) : null;
    at = end;
    if (opening !== null) fence = opening[1];
    else if (fence !== null && closes(line, fence)) {
      fence = null;
      if (end > limit) return end;
    } else if (fence === null && BLANK.test(line)) part = end;
  }
  if (at >= text.length) return text.length;
  if (part > from) return part;
  return at > from ? at : pairEnd(text, limit);
}

function pairEnd(text, at) {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff ? at - 1 : at; // not between the halves of a pair
}

function closes(line, fence) {
  const found = FENCE.exec(line);
  return found !== null && found[1][0] === fence[0] && found[1].length >= fence.length && BLANK.test(found[2]);
}

// --- Blocks ----------------------------------------------------------------------------------------------------------

function blocks(lines, level) {
  const found = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    if (BLANK.test(line)) {
      at += 1;
      continue;
    }
    const [made, next] =
      level < MOST_LEVELS
        ? (fenced(lines, at) ??
          heading(line, at) ??
          rule(line, at) ??
          quote(lines, at, level) ??
          list(lines, at, level) ??
          table(lines, at) ??
          paragraph(lines, at))
        : [h("p", { dir: "auto" }, words(lines.slice(at).join("\n"))), lines.length];
    found.push(made);
    at = next;
  }
  return found;
}

function begins(lines, at) {
  const line = lines[at];
  return BLANK.test(line) || FENCE.test(line) || HEADING.test(line) || QUOTE.test(line) || RULE.test(line) || ITEM.test(line);
}

function paragraph(lines, at) {
  let end = at + 1;
  while (end < lines.length && !begins(lines, end) && delimiters(lines, end) === null) end += 1;
  return [h("p", { dir: "auto" }, words(lines.slice(at, end).join("\n"))), end];
}

function fenced(lines, at) {
  const opening = FENCE.exec(lines[at]);
  if (opening === null) return null;
  let end = at + 1;
  while (end < lines.length && !closes(lines[end], opening[1])) end += 1;
  return [code(lines.slice(at + 1, end).join("\n"), opening[2].trim(), at), Math.min(lines.length, end + 1)];
}

function code(text, language, at) {
  return h(
    "div",
    { class: "code-block" },
    language === "" ? null : h("p", { class: "quiet" }, language.slice(0, 40)),
    island(`code-${at}`, () => {
      const read = text.length > JSON_CHARACTERS ? parse(text) : null;
      if (read !== null && isContainer(read) && !read.cut) return jsonTree(read, { folded: true });
      return longText(text, { className: "code unwrapped", folded: CODE_CHARACTERS });
    }),
  );
}

/** No heading of the page's: it would have a place among those. */
function heading(line, at) {
  const found = HEADING.exec(line);
  if (found === null) return null;
  const text = (found[2] ?? "").replace(/(^|[ \t])#+[ \t]*$/, "");
  return [h("p", { class: `heading level-${found[1].length}`, dir: "auto" }, words(text)), at + 1];
}

function rule(line, at) {
  return RULE.test(line) ? [h("hr", {}), at + 1] : null;
}

function quote(lines, at, level) {
  if (!QUOTE.test(lines[at])) return null;
  let end = at + 1;
  while (end < lines.length && (QUOTE.test(lines[end]) || !begins(lines, end))) end += 1;
  const inside = lines.slice(at, end).map((line) => line.replace(QUOTE, ""));
  return [h("blockquote", {}, blocks(inside, level + 1)), end];
}

function list(lines, at, level) {
  const first = ITEM.exec(lines[at]);
  if (first === null) return null;
  const isOrdered = first[2].length > 1;
  const items = [];
  let next = at;
  for (;;) {
    const found = next < lines.length ? ITEM.exec(lines[next]) : null;
    if (found === null || found[2].length > 1 !== isOrdered || RULE.test(lines[next])) break;
    const margin = found[1].length + 2;
    const inside = [found[4]];
    let isAfterBlank = false;
    for (next += 1; next < lines.length; next += 1) {
      const line = lines[next].replace(/^\t/, "    ");
      const indent = line.length - line.trimStart().length;
      if (BLANK.test(line)) isAfterBlank = true;
      else if (indent < margin && (isAfterBlank || begins(lines, next))) break;
      else isAfterBlank = false;
      inside.push(line.slice(Math.min(indent, margin + (isOrdered ? found[2].length - 1 : 0))));
    }
    items.push(item(inside, level));
  }
  if (!isOrdered) return [h("ul", {}, items), next];
  return [h("ol", { start: Number.parseInt(first[2], 10) }, items), next];
}

function item(lines, level) {
  const task = /^\[([ xX])\] /.exec(lines[0]);
  if (task !== null) lines[0] = `${task[1] === " " ? "☐" : "☑"} ${lines[0].slice(task[0].length)}`;
  return h("li", { dir: "auto" }, blocks(lines, level + 1));
}

/** How a table's columns are set, where a line and the next are the head of one; else null. */
function delimiters(lines, at) {
  if (!lines[at].includes("|") || !/^[ \t|:-]+$/.test(lines[at + 1] ?? "") || !lines[at + 1].includes("-")) return null;
  const columns = cells(lines[at + 1]);
  return columns.every((each) => DELIMITER.test(each)) && columns.length === cells(lines[at]).length ? columns : null;
}

function table(lines, at) {
  const columns = delimiters(lines, at);
  if (columns === null) return null;
  let end = at + 2;
  while (end < lines.length && lines[end].includes("|") && !BLANK.test(lines[end])) end += 1;
  const shown = columns.slice(0, MOST_CELLS);
  const side = (index) => (!columns[index].endsWith(":") ? null : columns[index].startsWith(":") ? "middle" : "number");
  const row = (tag, line) => {
    const found = cells(line);
    return h("tr", {}, shown.map((_, index) => h(tag, { dir: "auto", class: side(index) }, words(found[index] ?? ""))));
  };
  return [
    h(
      "div",
      { class: "scrolls", tabindex: 0, role: "group", "aria-label": "A table of the text" },
      h(
        "table",
        {},
        h("thead", {}, row("th", lines[at])),
        h("tbody", {}, lines.slice(at + 2, Math.min(end, at + 2 + MOST_ROWS)).map((line) => row("td", line))),
      ),
    ),
    Math.min(end, at + 2 + MOST_ROWS),
  ];
}

function cells(line) {
  const found = [];
  let cell = "";
  const bare = line.trim().replace(/^\|/, "");
  for (let at = 0; at < bare.length; at += 1) {
    if (bare[at] === "\\" && bare[at + 1] === "|") {
      cell += "|";
      at += 1;
    } else if (bare[at] === "|") {
      found.push(cell.trim());
      cell = "";
    } else cell += bare[at];
  }
  if (cell.trim() !== "") found.push(cell.trim());
  return found;
}

// --- What stands within lines ----------------------------------------------------------------------------------------

function words(text) {
  return inline(text).map((child, index) => drawn(child, String(index)));
}

function drawn(child, place) {
  if (typeof child === "string") return child;
  const inside = () => child.children.map((each, index) => drawn(each, `${place}.${index}`));
  switch (child.kind) {
    case "code":
      return h("code", {}, child.text);
    case "link":
      return link(child.url, inside(), wordsOf(child.children));
    case "image":
      return isPicture(child.url)
        ? island(`image-${place}`, () => picture(child.url, child.text))
        : h("span", { class: "marker" }, h("span", { class: "quiet" }, "image "), child.text, " ", address(child.url));
    default:
      return h(child.kind, {}, inside());
  }
}

/** Where it leads is said, unless its words do; it is followed by a click, and by nothing else. */
function link(url, inside, said) {
  if (!isFollowed(url)) return h("span", {}, inside, " ", address(url));
  const host = /^(?:https?:\/\/|mailto:)([^/?#]*)/i.exec(url)[1];
  return h(
    "a",
    { href: url, target: "_blank", rel: "noopener noreferrer nofollow", title: url.slice(0, 300) },
    inside,
    said.includes(host) ? null : h("span", { class: "quiet" }, ` (${host.slice(0, 100)})`),
  );
}

function address(url) {
  return h("span", { class: "quiet" }, `(${url.length > 120 ? `${url.slice(0, 120)}…` : url})`);
}
