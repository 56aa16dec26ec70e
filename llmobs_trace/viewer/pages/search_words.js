// A text goes in, the words come out that a search finds it by, as store/words.py has them.

const ACCENTS = /[\u0300-\u036f]/g;
// Beyond ASCII, what is no part of a word.
const GAPS =
  /[\x80-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\xd7\xf7\u2000-\u25ff\u27c0-\u2bff\u3000-\u303f\ud800-\uf8ff\ufe00-\ufe0f\ufeff\ufff0-\uffff\u{e0000}-\u{10ffff}]/gu;
// Languages that put no spaces between words go character by character, and so do emoji.
const ALONE =
  /[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2600-\u27bf\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\u{1f000}-\u{1faff}\u{20000}-\u{3ffff}]/gu;
const WORD = /[0-9a-z\u{80}-\u{10ffff}]+/gu;

export function wordsOf(text) {
  const plain = text.normalize("NFKD").toLowerCase().replaceAll("ß", "ss").normalize("NFKD").replace(ACCENTS, "");
  return plain.replace(GAPS, " ").replace(ALONE, " $& ").match(WORD) ?? [];
}
