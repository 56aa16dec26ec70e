// JSON text goes in, nodes that say exactly what it says come out, also where the text was cut off.
//
// JSON.parse would lose digits of large numbers, the order of keys that look like numbers, repeated keys, and all
// of a text that ends early. This reads without recursion: any depth is read.
//
//   {type: "object", entries: [[key, node]…], cut}     {type: "array", items: [node…], cut}
//   {type: "string", value, cut}                       {type: "number" | "word", source, cut}
//
// `from` and `to` are a node's place in the text.

const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;
const WORDS = ["true", "false", "null"];

/** Read a JSON text; null where it isn't one. `cut` is set on what was not finished. */
export function parse(text) {
  const reader = new Reader(text);
  const root = read(reader);
  if (root === null || root.cut) return root;
  reader.space();
  return reader.at === text.length ? root : null;
}

/** The JSON value that begins at a place of a text: `{node, to}`, null where there is none; and how far was read. */
export function parseAt(text, at) {
  const reader = new Reader(text);
  reader.at = at;
  const node = read(reader);
  return { node: node?.cut ? null : node, to: node?.cut ? text.length : reader.at };
}

function read(reader) {
  const root = reader.value();
  if (root === null) return null;
  const open = [];
  if (isContainer(root)) open.push(root);
  while (open.length > 0) {
    const container = open[open.length - 1];
    const step = container.type === "object" ? reader.entry(container) : reader.item(container);
    if (step === "end") open.pop().to = reader.at;
    else if (step === "cut") {
      for (const each of open) Object.assign(each, { cut: true, to: reader.source.length });
      return root;
    } else if (step === null) return null;
    else if (isContainer(step)) open.push(step);
  }
  return root;
}

/** Whether a node holds others. */
export function isContainer(node) {
  return node.type === "object" || node.type === "array";
}

/** The node under a key of an object, or undefined. */
export function member(node, key) {
  return node?.type === "object" ? node.entries.find(([name]) => name === key)?.[1] : undefined;
}

/** A string node's text, or undefined. */
export function text(node) {
  return node?.type === "string" ? node.value : undefined;
}

/** The value itself: what is no object travels as one under the name `value`, as an expected output does. */
export function unwrapped(node) {
  const isWrapped = node.type === "object" && node.entries.length === 1 && node.entries[0][0] === "value";
  return isWrapped ? node.entries[0][1] : node;
}

/** A member as its name, with its value where that is a word. */
export function shortly([key, child]) {
  const said = isContainer(child) ? "" : child.type === "string" ? child.value : child.source;
  return said === "" || said.length > 24 ? key : `${key} ${said}`;
}

/** The strings and numbers in a node, however deep. */
export function leaves(node) {
  const found = [];
  const waiting = node === null ? [] : [node];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (next.type === "string") found.push(next.value);
    else if (next.type === "number") found.push(next.source);
    else for (const child of next.items ?? next.entries ?? []) waiting.push(next.items ? child : child[1]);
  }
  return found;
}

/** A short form on one line, of about so many characters. */
export function brief(node, characters) {
  const out = [];
  let left = characters;
  const write = (part) => {
    if (left > 0) out.push(part.length > left ? `${part.slice(0, left)}…` : part);
    left -= part.length;
  };
  const waiting = [node];
  while (waiting.length > 0 && left > 0) {
    const next = waiting.pop();
    if (typeof next === "string") write(next);
    else if (next.type === "string")
      write(JSON.stringify(next.value.slice(0, left + 2)).slice(0, next.cut ? -1 : undefined));
    else if (!isContainer(next)) write(next.source);
    else {
      const [opening, closing] = next.type === "object" ? "{}" : "[]";
      const members = next.type === "object" ? next.entries : next.items.map((item) => [null, item]);
      write(opening);
      waiting.push(next.cut ? "…" : closing);
      // No more than can be written: a list may have a million members.
      for (let i = Math.min(members.length, left) - 1; i >= 0; i -= 1) {
        waiting.push(members[i][1]);
        const key = members[i][0] === null ? "" : `${JSON.stringify(members[i][0])}: `;
        waiting.push(i > 0 ? `, ${key}` : key);
      }
    }
  }
  return out.join("");
}

class Reader {
  constructor(source) {
    this.source = source;
    this.at = 0;
  }

  space() {
    SPACE.lastIndex = this.at;
    SPACE.test(this.source);
    this.at = SPACE.lastIndex;
  }

  ended() {
    this.space();
    return this.at >= this.source.length;
  }

  taken(character) {
    if (this.source[this.at] !== character) return false;
    this.at += 1;
    return true;
  }

  item(array) {
    if (this.ended()) return "cut";
    if (this.taken("]")) return "end";
    if (array.items.length > 0 && !this.taken(",")) return null;
    if (this.ended()) return "cut";
    const node = this.value();
    if (node !== null) array.items.push(node);
    return node?.cut && !isContainer(node) ? "cut" : node;
  }

  entry(object) {
    if (this.ended()) return "cut";
    if (this.taken("}")) return "end";
    if (object.entries.length > 0 && !this.taken(",")) return null;
    if (this.ended()) return "cut";
    const key = this.source[this.at] === '"' ? this.string() : null;
    if (key === null) return null;
    if (key.cut || this.ended()) return "cut";
    if (!this.taken(":")) return null;
    if (this.ended()) return "cut";
    const node = this.value();
    if (node !== null) object.entries.push([key.value, node]);
    return node?.cut && !isContainer(node) ? "cut" : node;
  }

  value() {
    if (this.ended()) return null;
    const from = this.at;
    const node = this.begun();
    if (node !== null) Object.assign(node, { from, to: this.at });
    return node;
  }

  begun() {
    const first = this.source[this.at];
    if (first === '"') return this.string();
    if (first === "{" || first === "[") {
      this.at += 1;
      return first === "{" ? { type: "object", entries: [] } : { type: "array", items: [] };
    }
    NUMBER.lastIndex = this.at;
    const number = NUMBER.exec(this.source);
    if (number !== null) {
      this.at = NUMBER.lastIndex;
      return {
        type: "number",
        source: number[0],
        cut: this.at > 0 && this.at === this.source.length && number.index > 0,
      };
    }
    const rest = this.source.slice(this.at, this.at + 5);
    const word = WORDS.find((each) => rest.startsWith(each) || (each.startsWith(rest) && rest !== ""));
    if (word === undefined) return null;
    this.at += Math.min(word.length, rest.length);
    return { type: "word", source: word, cut: !rest.startsWith(word) };
  }

  string() {
    const from = this.at;
    let quote = this.source.indexOf('"', from + 1);
    while (quote !== -1 && isEscaped(this.source, quote)) quote = this.source.indexOf('"', quote + 1);
    if (quote === -1) {
      this.at = this.source.length;
      // A cut may fall inside an escape: take off what can't be read.
      const rest = this.source
        .slice(from)
        .replace(/\\(?:u[0-9a-fA-F]{0,3})?$/, (end, offset, all) => (isEscaped(all, offset) ? end : ""));
      return this.decoded(`${rest}"`, true);
    }
    this.at = quote + 1;
    return this.decoded(this.source.slice(from, this.at), false);
  }

  decoded(quoted, cut) {
    try {
      return { type: "string", value: JSON.parse(quoted), cut };
    } catch {
      return null;
    }
  }
}

function isEscaped(source, quote) {
  let slashes = 0;
  while (source[quote - 1 - slashes] === "\\") slashes += 1;
  return slashes % 2 === 1;
}
