// A condition goes in as text, its parts come out, and back: FIELD OP VALUE, as `toxicity>=0.3`.
//
// As store/conditions.py has it, which says what the signs mean; a test holds the two to be alike. What is wrong
// becomes a `Missing`, as the server's refusal does.

import { Missing } from "./missing.js";

/** Each word that is a field, with what it is compared with. */
export const WORDS = {
  status: "status",
  error: "text",
  latency: "duration",
  input_tokens: "number",
  output_tokens: "number",
  cost_usd: "number",
  kind: "text",
  name: "text",
  row_id: "text",
  text: "text",
};
export const START = "start";
/** What a metric may have become, beside a number or a category. */
export const BECAME = ["pass", "fail", "failed", "missing", "n/a", "true", "false"];

const FIELD = '(tag\\.)?(?:("(?:[^"\\\\]|\\\\[^])*")|([^ \\t\\n\\r\\f\\v"=!<>]+))';
const CONDITION = new RegExp(`^${FIELD}[ \\t\\n\\r\\f\\v]*(!=|<=|>=|=|<|>)([^]*)$`);
const LONE_FIELD = new RegExp(`^${FIELD}$`);
const QUOTED = /^"(?:[^"\\]|\\[^])*"$/;
const NUMBER = /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
const DURATION = /^(.*?) ?(ms|s|m|h|)$/;
const UNITS_NS = { "": 1e9, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };
const isWord = (name) => Object.hasOwn(WORDS, name);

/** `{field: {word, name}, sign, value, isQuoted}` */
export function read(text) {
  const wrong = (why) => new Missing(`condition '${text}': ${why}`);
  const found = CONDITION.exec(trimmed(text));
  if (found === null) throw wrong("a condition is FIELD OP VALUE, as toxicity>=0.3, tag.language=en or error=any");
  const [, , , , sign, rest] = found;
  const given = trimmed(rest);
  const isQuoted = QUOTED.test(given);
  if (given === "" || (!isQuoted && /^["=]|\n/.test(given))) throw wrong("put the value in double quotes");
  const condition = { field: fieldOf(found, wrong), sign, value: isQuoted ? unquoted(given) : given, isQuoted };
  const problem = problemOf(condition);
  if (problem !== null) throw wrong(problem);
  return condition;
}

/** The field that rows are sorted by or grouped by. */
export function readField(text) {
  const wrong = () => new Missing(`'${text}' is no field: a metric's label, tag.KEY, ${Object.keys(WORDS).join(", ")}`);
  if (text === START) return { word: START, name: "" };
  const found = LONE_FIELD.exec(trimmed(text));
  if (found === null || text === "text") throw wrong();
  return fieldOf(found, wrong);
}

function fieldOf([, tag, quoted, bare], wrong) {
  const name = quoted === undefined ? bare : unquoted(quoted);
  if (tag !== undefined) {
    if (WORDS[name] === "number") throw wrong(`write ${name}: it is a field, and no tag`);
    return { word: "tag", name };
  }
  if (bare?.startsWith("tag.")) throw wrong("name the tag's key, as tag.language");
  return bare !== undefined && isWord(bare) ? { word: bare, name: "" } : { word: "metric", name };
}

function problemOf(condition) {
  const { field, sign, value } = condition;
  const isOrder = sign !== "=" && sign !== "!=";
  const what = isWord(field.word) ? WORDS[field.word] : null;
  if (what === "number" && numberOf(condition) === null) return `${field.word} is compared with a number`;
  if (what === "duration" && durationOf(condition) === null) return `${field.word} is compared with a time: seconds, or as 250ms, 1.5s, 2m`;
  if (what === "status" && (isOrder || !["ok", "error"].includes(value))) return "status is ok or error";
  if (what === "text" && isOrder) return `${field.word} is compared with = or !=`;
  if (what === null && isOrder && numberOf(condition) === null) return `${sign} takes a number`;
  return null;
}

/** A number as conditions and tags write it, else null. */
export function asNumber(text) {
  const number = NUMBER.test(text) ? Number(text) : NaN;
  return Number.isFinite(number) ? number : null;
}

export function numberOf({ value, isQuoted }) {
  return isQuoted ? null : asNumber(value);
}

/** A condition's time in nanoseconds, else null. */
export function durationOf({ value, isQuoted }) {
  const [, number, unit] = DURATION.exec(value) ?? [];
  if (isQuoted || number === undefined || !NUMBER.test(number)) return null;
  const duration = Number(number) * UNITS_NS[unit] + 0.5;
  return Number.isFinite(duration) ? Math.floor(duration) : null;
}

/** Which of `BECAME` a condition means, else null. */
export function becameOf({ value, isQuoted }) {
  return !isQuoted && BECAME.includes(value) ? value : null;
}

/** The text of a condition, on one line. */
export function write({ field, sign, value, isQuoted }) {
  return `${writeField(field)}${sign}${isQuoted ? quoted(value) : value}`;
}

/** The same of a value that is text: in quotes where it would be read as something else. */
export function writeText(field, value, sign = "=") {
  const isPlain =
    value !== "" && trimmed(value) === value && !/^["=]|\n/.test(value) && asNumber(value) === null && !BECAME.includes(value) && value !== "any";
  return write({ field, sign, value, isQuoted: !isPlain });
}

export function writeField({ word, name }) {
  if (word !== "metric" && word !== "tag") return word;
  const isPlain =
    /^[^ \t\n\r\f\v"=!<>]+$/.test(name) && (word === "tag" || !(isWord(name) || name === START || /^(tag\.|-)/.test(name)));
  return (word === "tag" ? "tag." : "") + (isPlain ? name : quoted(name));
}

function quoted(text) {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}

function unquoted(text) {
  return text.slice(1, -1).replace(/\\([^])/g, (_, sign) => (sign === "n" ? "\n" : sign));
}

function trimmed(text) {
  return text.replace(/^[ \t\n\r\f\v]+|[ \t\n\r\f\v]+$/g, "");
}
