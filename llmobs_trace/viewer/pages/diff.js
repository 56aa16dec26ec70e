// Two texts go in, what was taken away and what was added comes out: by lines first, then by words within them.
//
// What is equal is found in steps, each cheap where it finds nothing: the texts as wholes, their common ends, the
// shortest way from one to the other (Myers), and where that is long, tokens that both have once (patience), or
// stretches of them, with the ways between them. Where there are none, the way is gone a part at a time. The work is
// bounded by the length of the texts.

const WORDS = /\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu;
const LINES = /[^\n]*\n|[^\n]+$/g;

// Of a way: so many steps to the side are tried, which takes their square.
const MOST_STEPS = 150;
// How often, on average, a token may be looked at.
const LOOKS = 30;
// How many tokens in a row are looked for that both have once.
const STRETCHES = [1, 4, 12];
const FACTOR = 0x01000193;

/** `{before, after}`, each a list of `[isSame, text]`. */
export function textDiff(before, after) {
  const found = { before: [], after: [] };
  if (before === after) {
    push(found, before, before, true);
    return found;
  }
  walk(tokens(before, LINES), tokens(after, LINES), (isSame, one, other) => {
    if (isSame || one === "" || other === "") push(found, one, other, isSame);
    else inWords(found, one, other);
  });
  return found;
}

/**
 * The pieces of texts side by side, each null where there is none: of two, what the first has and the second has not is
 * marked in the first; in all others, what the first has not.
 */
export function sideBySide(texts) {
  const [first, ...others] = texts;
  const found = others.map((text) => (first === null || text === null ? null : textDiff(first, text)));
  return texts.map((text, index) => {
    const diff = index > 0 ? found[index - 1] : found.length === 1 ? found[0] : null;
    if (diff !== null) return index === 0 ? diff.before : diff.after;
    return text === null ? null : [[true, text]];
  });
}

function inWords(found, before, after) {
  const steps = [];
  walk(tokens(before, WORDS), tokens(after, WORDS), (...step) => steps.push(step));
  steps.forEach(([isSame, one, other], index) => {
    // Two changes that have no more than a space between them are one.
    const isGap = isSame && index > 0 && index < steps.length - 1 && one.trim() === "";
    push(found, one, other, isSame && !isGap);
  });
}

function tokens(text, pattern) {
  return text.match(pattern) ?? [];
}

function push(found, one, other, isSame) {
  for (const [list, text] of [
    [found.before, one],
    [found.after, other],
  ]) {
    if (text === "") continue;
    const last = list[list.length - 1];
    if (last?.[0] === isSame) last[1] += text;
    else list.push([isSame, text]);
  }
}

/** Go through both lists of tokens together: `step(isSame, before, after)` for each stretch, as texts. */
function walk(before, after, step) {
  const [a, b] = numbered(before, after);
  let [i, j] = [0, 0];
  const text = (list, from, to) => list.slice(from, to).join("");
  for (const [at, to, length] of commonRuns(a, b)) {
    if (i < at || j < to) step(false, text(before, i, at), text(after, j, to));
    step(true, text(before, at, at + length), text(after, to, to + length));
    [i, j] = [at + length, to + length];
  }
  if (i < a.length || j < b.length) step(false, text(before, i, a.length), text(after, j, b.length));
}

/** The tokens as numbers, equal ones as the same. */
function numbered(before, after) {
  const numbers = new Map();
  const of = (token) => {
    if (!numbers.has(token)) numbers.set(token, numbers.size);
    return numbers.get(token);
  };
  return [Int32Array.from(before, of), Int32Array.from(after, of)];
}

/** `[from in a, from in b, length]` of what both have in common, in order. */
function commonRuns(a, b) {
  // What only one of them has is in no run, and need not be looked at again.
  const [inA, inB] = [new Set(a), new Set(b)];
  const [placesA, placesB] = [places(a, inB), places(b, inA)];
  const runs = equalRuns(
    placesA.map((place) => a[place]),
    placesB.map((place) => b[place]),
  );
  const pairs = runs.flatMap(([at, to, length]) =>
    Array.from({ length }, (_, index) => [placesA[at + index], placesB[to + index], 1]),
  );
  return joined(pairs);
}

function places(tokens, others) {
  const found = [];
  for (let index = 0; index < tokens.length; index += 1) if (others.has(tokens[index])) found.push(index);
  return Int32Array.from(found);
}

function equalRuns(a, b) {
  const runs = [];
  const budget = { left: LOOKS * (a.length + b.length) + 100_000 };
  const waiting = [[0, a.length, 0, b.length, Infinity]];
  while (waiting.length > 0) {
    const part = waiting.pop();
    if (part.length === 3) {
      runs.push(part);
      continue;
    }
    let [a0, a1, b0, b1, below] = part;
    let same = 0;
    while (a0 + same < a1 && b0 + same < b1 && a[a0 + same] === b[b0 + same]) same += 1;
    if (same > 0) runs.push([a0, b0, same]);
    [a0, b0] = [a0 + same, b0 + same];
    let tail = 0;
    while (a0 < a1 - tail && b0 < b1 - tail && a[a1 - tail - 1] === b[b1 - tail - 1]) tail += 1;
    [a1, b1] = [a1 - tail, b1 - tail];
    budget.left -= same + tail + 1;
    // The last that is put on the pile is looked at first: what comes behind waits.
    if (tail > 0) waiting.push([a1, b1, tail]);
    if (a0 === a1 || b0 === b1 || budget.left <= 0) continue;
    const way = shortestWay(a, a0, a1, b, b0, b1, budget);
    const size = a1 - a0 + b1 - b0;
    const found = way.isWhole || size > below ? [] : anchors(a, a0, a1, b, b0, b1, budget);
    if (found.length === 0) {
      // There are none in most of the rest either.
      waiting.push([way.a, a1, way.b, b1, Math.min(below, size / 2)], ...way.runs.reverse());
      continue;
    }
    let [a2, b2] = [a1, b1];
    for (const [at, to] of found.reverse()) {
      waiting.push([at + 1, a2, to + 1, b2, Infinity], [at, to, 1]);
      [a2, b2] = [at, to];
    }
    waiting.push([a0, a2, b0, b2, Infinity]);
  }
  return runs;
}

function joined(runs) {
  const found = [];
  for (const [at, to, length] of runs) {
    const last = found[found.length - 1];
    if (last !== undefined && last[0] + last[2] === at && last[1] + last[2] === to) last[2] += length;
    else found.push([at, to, length]);
  }
  return found;
}

/**
 * Myers' greedy way (Algorithmica 1, 1986), forwards: `{runs, a, b, isWhole}`, where `a` and `b` are how far it has
 * come. Where it takes more steps than there may be, it is the way to the place that is furthest on.
 */
function shortestWay(a, a0, a1, b, b0, b1, budget) {
  const [n, m] = [a1 - a0, b1 - b0];
  const most = Math.min(n + m, MOST_STEPS);
  const reached = new Int32Array(2 * most + 3); // how far along a each diagonal has come
  const middle = most + 1;
  const trail = [];
  for (let d = 0; d <= most; d += 1) {
    trail.push(reached.slice(middle - d - 1, middle + d + 2));
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && reached[middle + k - 1] < reached[middle + k + 1]);
      let x = down ? reached[middle + k + 1] : reached[middle + k - 1] + 1;
      const from = x;
      while (x < n && x - k < m && a[a0 + x] === b[b0 + x - k]) x += 1;
      budget.left -= 1 + x - from;
      reached[middle + k] = x;
      if (x >= n && x - k >= m) return { runs: back(trail, d, n, m, a0, b0), a: a1, b: b1, isWhole: true };
    }
  }
  let [x, y] = [0, 0];
  for (let k = -most; k <= most; k += 2) {
    const to = reached[middle + k];
    // A diagonal may have left the texts.
    if (to <= n && to - k <= m && 2 * to - k > x + y) [x, y] = [to, to - k];
  }
  return { runs: back(trail, most, x, y, a0, b0), a: a0 + x, b: b0 + y, isWhole: false };
}

/** The runs on the way to a place, in their order. */
function back(trail, steps, toX, toY, a0, b0) {
  const runs = [];
  let [x, y] = [toX, toY];
  for (let d = steps; d >= 0; d -= 1) {
    const before = trail[d]; // diagonals -d - 1 to d + 1, as they were before this step
    const at = (k) => before[k + d + 1];
    const k = x - y;
    const down = d > 0 && (k === -d || (k !== d && at(k - 1) < at(k + 1)));
    const startX = d === 0 ? 0 : down ? at(k + 1) : at(k - 1) + 1;
    if (x > startX) runs.push([a0 + startX, b0 + startX - k, x - startX]);
    [x, y] = d === 0 ? [0, 0] : down ? [startX, startX - k - 1] : [startX - 1, startX - k];
  }
  return runs.reverse();
}

/** Places of stretches that each of the two has once, as many as stand in the same order in both. */
function anchors(a, a0, a1, b, b0, b1, budget) {
  // Where each token comes again and again, a few of them in a row may not.
  for (const length of STRETCHES) {
    budget.left -= a1 - a0 + b1 - b0;
    const [inA, inB] = [once(a, a0, a1, length), once(b, b0, b1, length)];
    const pairs = [];
    for (const [mark, i] of inA) {
      const j = inB.get(mark) ?? -1;
      if (i >= 0 && j >= 0 && a[i] === b[j]) pairs.push([i, j]);
    }
    const found = increasing(pairs);
    // Longer stretches that are alike by chance are in no order.
    if (found.length > (length > 1 ? pairs.length / 2 : 0)) return found;
  }
  return [];
}

/** What a stretch of so many tokens comes to as one number (a rolling hash) → its place, or -1 where it comes again. */
function once(tokens, from, to, length) {
  const places = new Map();
  let [mark, leaving] = [0, 1];
  for (let index = 0; index < length; index += 1) leaving = Math.imul(leaving, FACTOR);
  for (let index = from; index < to; index += 1) {
    mark = (Math.imul(mark, FACTOR) + tokens[index] + 1) | 0;
    const start = index - length + 1;
    if (start > from) mark = (mark - Math.imul(leaving, tokens[start - 1] + 1)) | 0;
    if (start >= from) places.set(mark, places.has(mark) ? -1 : start);
  }
  return places;
}

/** The longest of the pairs that increase in their second, too. */
function increasing(pairs) {
  const ends = []; // of the best row of each length, the last pair's index
  const previous = new Int32Array(pairs.length);
  for (let index = 0; index < pairs.length; index += 1) {
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (pairs[ends[middle]][1] < pairs[index][1]) low = middle + 1;
      else high = middle;
    }
    previous[index] = low > 0 ? ends[low - 1] : -1;
    ends[low] = index;
  }
  const found = [];
  for (let index = ends[ends.length - 1] ?? -1; index !== -1; index = previous[index]) found.push(pairs[index]);
  return found.reverse();
}
