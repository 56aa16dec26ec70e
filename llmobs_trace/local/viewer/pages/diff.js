// Two short texts go in, what was taken away and what was added comes out, word by word.

const MOST_WORDS = 120;

/** `{before, after}`, each a list of `[isSame, text]`: by the longest common run of words. */
export function wordDiff(before, after) {
  const [a, b] = [before, after].map((text) => text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? []);
  if (a.length > MOST_WORDS || b.length > MOST_WORDS)
    return { before: [[false, before]], after: [[false, after]] };
  const longest = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      longest[i][j] =
        a[i] === b[j] ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1]);
    }
  }
  const found = { before: [], after: [] };
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      push(found.before, true, a[i]);
      push(found.after, true, b[j]);
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && longest[i + 1][j] >= longest[i][j + 1])) {
      push(found.before, false, a[i]);
      i += 1;
    } else {
      push(found.after, false, b[j]);
      j += 1;
    }
  }
  return found;
}

function push(list, isSame, word) {
  const last = list[list.length - 1];
  if (last?.[0] === isSame) last[1] += word;
  else list.push([isSame, word]);
}
