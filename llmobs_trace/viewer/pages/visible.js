// Any text goes in, text that says all that it holds comes out: what can't be seen is given its number.
//
// Recorded text may hold characters that reorder a line (bidi controls), join or hide (zero width, tags), or are
// none (controls, lone surrogates). A reader must neither miss them nor be fooled by them.

const HIDDEN = new RegExp(
  "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180e" +
    "\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff0-\\ufffb" +
    "\\u{e0000}-\\u{e0fff}\\p{Cs}]",
  "gu",
);
// A joiner between letters that join, or inside an emoji, is spelling.
const JOINING =
  /[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f\p{Script=Arabic}\p{Script=Syriac}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Gujarati}\p{Script=Gurmukhi}\p{Script=Kannada}\p{Script=Malayalam}\p{Script=Oriya}\p{Script=Sinhala}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Khmer}\p{Script=Mongolian}]/u;

const NAMES = new Map([
  [0x00, "null"],
  [0x08, "backspace"],
  [0x0d, "carriage return"],
  [0x1b, "escape"],
  [0xad, "soft hyphen"],
  [0x200b, "zero width space"],
  [0x200c, "zero width non-joiner"],
  [0x200d, "zero width joiner"],
  [0x200e, "left-to-right mark"],
  [0x200f, "right-to-left mark"],
  [0x202a, "left-to-right embedding"],
  [0x202b, "right-to-left embedding"],
  [0x202c, "pop directional formatting"],
  [0x202d, "left-to-right override"],
  [0x202e, "right-to-left override"],
  [0x2060, "word joiner"],
  [0x2066, "left-to-right isolate"],
  [0x2067, "right-to-left isolate"],
  [0x2068, "first strong isolate"],
  [0x2069, "pop directional isolate"],
  [0xfeff, "byte order mark"],
]);

/** The text in pieces: strings as they are, and `{code, name}` for each character that can't be seen. */
export function pieces(text) {
  HIDDEN.lastIndex = 0;
  if (!HIDDEN.test(text)) return [text];
  HIDDEN.lastIndex = 0; // matchAll goes on from where test stopped
  const found = [];
  let from = 0;
  for (const match of text.matchAll(HIDDEN)) {
    if (isSpelling(text, match.index, match[0])) continue;
    if (match.index > from) found.push(text.slice(from, match.index));
    found.push(control(match[0].codePointAt(0)));
    from = match.index + match[0].length;
  }
  if (from < text.length) found.push(text.slice(from));
  return found;
}

/** The same for where only a string can stand, as in an attribute. */
export function plain(text) {
  return pieces(text)
    .map((piece) => (typeof piece === "string" ? piece : `⟨${piece.code}⟩`))
    .join("");
}

function isSpelling(text, index, character) {
  if (character === "\r") return text[index + 1] === "\n";
  if (character !== "\u200c" && character !== "\u200d") return false;
  const before = [...text.slice(Math.max(0, index - 2), index)].pop() ?? "";
  const after = String.fromCodePoint(text.codePointAt(index + 1) ?? 32);
  return JOINING.test(before) && JOINING.test(after);
}

function control(point) {
  const code = `U+${point.toString(16).toUpperCase().padStart(4, "0")}`;
  const known =
    NAMES.get(point) ?? (point >= 0xd800 && point <= 0xdfff ? "half a surrogate pair" : "control character");
  return { code, name: `${code}, ${known}` };
}
