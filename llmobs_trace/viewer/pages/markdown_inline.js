// A line or a paragraph of markdown goes in, what it says comes out: words, strong ones, code, links.
//
// A delimiter that opens is remembered until one closes it, and looked at once more at most: whatever the text, the
// work grows with its length alone. Nothing is decoded: an entity stays as it was written, and markup is text.
//
//   "text"     {kind: "strong" | "em" | "del", children}     {kind: "code", text}
//   {kind: "link", url, children}                            {kind: "image", url, text}

// Deeper ones are text: what is nested ten times over was not meant to be read.
const MOST_DEPTH = 8;
// An address that is longer is none to follow.
const MOST_ADDRESS = 2_000;
const SPECIAL = /[\\`*_~[\]!<]|https?:\/\//g;
const RUN = { "*": /\*+/y, _: /_+/y, "~": /~+/y, "`": /`+/y };
const PUNCTUATION = /[!-/:-@[-`{-~]/;
const WORD = /[\p{L}\p{N}_]/u;
const SPACE = /\s/;
// What may be followed, by a click: never a script, a file or data.
const FOLLOWED = /^(?:https?:\/\/|mailto:)[^\s]/i;
const BARE = /https?:\/\/[^\s<>"'`|\\^{}]+/y;
const KINDS = { "*1": "em", _1: "em", "*2": "strong", _2: "strong", "~2": "del" };

/** What a piece of text says. */
export function inline(text) {
  return grown(matched(text));
}

/** Whether a link may be followed. */
export function isFollowed(url) {
  return url.length <= MOST_ADDRESS && FOLLOWED.test(url);
}

/** Its tokens: texts, code, and delimiters, of which those that belong together know each other (`pair`). */
function matched(text) {
  const tokens = [];
  const open = []; // delimiters that may be closed: places in `tokens`
  const waiting = new Map(); // how many of each kind are open
  const ticks = backticks(text);
  let from = 0;

  const say = (part) => part !== "" && tokens.push({ kind: "text", text: part });
  const push = (kind, shown) => {
    waiting.set(kind, (waiting.get(kind) ?? 0) + 1);
    open.push(tokens.length);
    tokens.push({ kind, text: shown });
  };
  /** The latest of that kind that is open; those after it are closed by nothing any more. */
  const pop = (kind) => {
    for (;;) {
      const at = open.pop();
      const found = tokens[at];
      waiting.set(found.kind, waiting.get(found.kind) - 1);
      if (found.kind === kind) return at;
    }
  };
  const close = (at, token) => {
    tokens[at].pair = tokens.length;
    tokens.push({ ...token, pair: at, isEnd: true });
  };

  SPECIAL.lastIndex = 0;
  for (let found = SPECIAL.exec(text); found !== null; found = SPECIAL.exec(text)) {
    const at = found.index;
    const sign = text[at];
    let end = at + 1;
    say(text.slice(from, at));
    from = at;
    if (sign === "\\") {
      if (PUNCTUATION.test(text[at + 1] ?? "")) {
        say(text[at + 1]);
        end = at + 2;
      } else say(sign);
    } else if (sign === "`") {
      const size = runAt(text, at).length;
      const closing = ticks(size, at + size);
      end = closing === -1 ? at + size : closing + size;
      if (closing === -1) say(text.slice(at, end));
      else tokens.push({ kind: "code", text: stripped(text.slice(at + size, closing)) });
    } else if (sign === "*" || sign === "_" || sign === "~") {
      const run = runAt(text, at);
      end = at + run.length;
      delimiters(text, at, run, { say, push, pop, close, waiting });
    } else if (sign === "[") push("[", "[");
    else if (sign === "!" && text[at + 1] === "[") {
      push("[", "![");
      end = at + 2;
    } else if (sign === "]") {
      const target = waiting.get("[") > 0 && text[at + 1] === "(" ? destination(text, at + 1) : null;
      if (target === null) {
        if (waiting.get("[") > 0) pop("[");
        say("]");
      } else {
        const opening = pop("[");
        end = target.end;
        close(opening, { kind: "]", url: target.url, text: text.slice(at, end) });
      }
    } else if (sign === "<") {
      const url = bare(text, at + 1);
      if (url !== "" && text[at + 1 + url.length] === ">") {
        tokens.push({ kind: "bare", url });
        end = at + url.length + 2;
      } else say("<");
    } else if (sign === "h") {
      const all = bare(text, at);
      const url = WORD.test(text[at - 1] ?? "") ? "" : trimmed(all);
      // One that is too long is passed over whole: what begins within it is none either.
      end = at + (isFollowed(url) ? url.length : Math.max(all.length, found[0].length));
      if (isFollowed(url)) tokens.push({ kind: "bare", url });
      else say(text.slice(at, end));
    } else say(sign);
    from = end;
    SPECIAL.lastIndex = end;
  }
  say(text.slice(from));
  return tokens;
}

function runAt(text, at) {
  const run = RUN[text[at]];
  run.lastIndex = at;
  return run.exec(text)[0];
}

/** Where the next run of so many backticks begins, from a place on that grows; -1 where there is none. */
function backticks(text) {
  const runs = new Map();
  for (const { 0: run, index } of text.matchAll(/`+/g)) {
    if (!runs.has(run.length)) runs.set(run.length, []);
    runs.get(run.length).push(index);
  }
  const next = new Map();
  return (size, from) => {
    const places = runs.get(size) ?? [];
    let at = next.get(size) ?? 0;
    while (at < places.length && places[at] < from) at += 1;
    next.set(size, at);
    return places[at] ?? -1;
  };
}

function stripped(code) {
  const isPadded = code.length > 2 && code.startsWith(" ") && code.endsWith(" ") && code.trim() !== "";
  return isPadded ? code.slice(1, -1) : code;
}

/** What a run of `*`, `_` or `~` opens or closes; three are strong and em at once, more are a line of signs. */
function delimiters(text, at, run, { say, push, pop, close, waiting }) {
  const sign = run[0];
  const [before, after] = [text[at - 1] ?? " ", text[at + run.length] ?? " "];
  const leans = (inner, outer) =>
    !SPACE.test(inner) && !(WORD.test(outer) && (sign === "_" || PUNCTUATION.test(inner)));
  const [opens, closes] = [leans(after, before), leans(before, after)];
  const sizes = sign === "~" ? { 2: [2] }[run.length] : { 1: [1], 2: [2], 3: [2, 1] }[run.length];
  if (sizes === undefined) {
    say(run);
    return;
  }
  // The one that was opened last is closed first.
  const isClosing = closes && sizes.some((size) => waiting.get(sign + size) > 0);
  for (const size of isClosing ? sizes.reverse() : sizes) {
    const kind = sign + size;
    const shown = sign.repeat(size);
    if (closes && waiting.get(kind) > 0) close(pop(kind), { kind, text: shown });
    else if (opens) push(kind, shown);
    else say(shown);
  }
}

/** `(address "title")` after a link's text: where it ends, and the address; null where it is none. */
function destination(text, opening) {
  const limit = Math.min(text.length, opening + MOST_ADDRESS);
  let depth = 0;
  let at = opening + 1;
  for (; at < limit; at += 1) {
    const sign = text[at];
    if (sign === "(") depth += 1;
    if (sign === ")") depth -= 1;
    if (depth < 0 || depth > 1 || SPACE.test(sign)) break;
  }
  if (depth > 1) return null;
  const url = text.slice(opening + 1, at).replace(/^<([^<>]*)>$/, "$1");
  if (text[at] === ")") return { url, end: at + 1 };
  if (text[at] !== " " || text[at + 1] !== '"') return null;
  const quote = text.slice(at + 2, at + 2 + 500).indexOf('"');
  if (quote === -1 || text[at + 2 + quote + 1] !== ")") return null;
  return { url, end: at + 2 + quote + 2 };
}

function bare(text, at) {
  BARE.lastIndex = at;
  return BARE.exec(text)?.[0] ?? "";
}

/** Without what ends the sentence that an address stands in. */
function trimmed(url) {
  if (url.length > MOST_ADDRESS) return url;
  const ending = url.includes("(") ? ".,;:!?*_~]" : ".,;:!?*_~])";
  let end = url.length;
  while (end > 0 && ending.includes(url[end - 1])) end -= 1;
  return url.slice(0, end);
}

/** The tree of what belongs together. */
function grown(tokens) {
  const root = { children: [] };
  const inside = [root];
  const closing = []; // where those that are open end
  const isInLink = () => inside.some(({ kind }) => kind === "link");
  const add = (child) => {
    const { children } = inside.at(-1);
    if (typeof child === "string" && typeof children.at(-1) === "string") children[children.length - 1] += child;
    else children.push(child);
  };
  for (const [at, token] of tokens.entries()) {
    if (token.kind === "code") add(token);
    else if (token.kind === "bare") add(isInLink() ? token.url : { kind: "link", url: token.url, children: [token.url] });
    else if (token.pair === undefined) add(token.text);
    else if (token.isEnd) {
      if (closing.at(-1) === at) {
        closing.pop();
        const made = inside.pop();
        add(made.kind === "image" ? { kind: "image", url: made.url, text: wordsOf(made.children) } : made);
      } else add(token.text);
    } else {
      const kind = token.kind !== "[" ? KINDS[token.kind] : token.text === "[" ? "link" : "image";
      if (inside.length > MOST_DEPTH || (kind === "link" && isInLink())) add(token.text);
      else {
        inside.push({ kind, url: tokens[token.pair].url, children: [] });
        closing.push(token.pair);
      }
    }
  }
  return root.children;
}

/** The words of what a piece of text says. */
export function wordsOf(children) {
  return children
    .map((child) => (typeof child === "string" ? child : child.kind === "code" || child.kind === "image" ? child.text : wordsOf(child.children)))
    .join("");
}
