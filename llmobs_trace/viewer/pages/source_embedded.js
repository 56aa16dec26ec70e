// The answers that were saved into this file go in, answers to questions come out: sorted, filtered and searched here.

import { leaves, member, parse } from "./json.js";
import { Missing } from "./missing.js";

/** The source of a saved file: `{experiments, experiment, rows, traces}` as the server would have answered. */
export function embedded(saved) {
  const { experiment } = saved.experiment;
  const own = (id) => {
    if (id !== experiment.id) throw new Missing(`this file holds the experiment ${experiment.id} alone`);
  };
  const trace = (traceId) => {
    if (!Object.hasOwn(saved.traces, traceId)) throw new Missing(`this file holds no trace ${traceId}`);
    return saved.traces[traceId];
  };
  return {
    live: false,
    only: experiment.id,
    experiment: async (id) => (own(id), saved.experiment),
    rows: async (id, params) => (own(id), pageOf(saved, params)),
    neighbours: async (id, { trace: traceId, ...params }) => (own(id), beside(saved, traceId, params)),
    trace: async (id, traceId, { offset = 0, limit = Infinity }) => {
      own(id);
      const found = trace(traceId);
      return { ...found, spans: found.spans.slice(offset, offset + limit) };
    },
    span: async (id, spanId) => {
      own(id);
      if (!Object.hasOwn(saved.spans, spanId))
        throw new Missing("this file holds the beginning of that value alone");
      return saved.spans[spanId];
    },
    shown: async (id, span) => {
      own(id);
      return Object.hasOwn(saved.spans, span.span_id) ? wholeValues(saved.spans[span.span_id].span) : {};
    },
    compare: async () => {
      throw new Missing("a saved file holds one experiment; llmobs-trace serve compares several");
    },
    compareRows: async () => ({ total: 0, rows: [] }),
    compareRow: async () => ({ total: 0, position: null, row: null }),
  };
}

/** A span's values as its event has them. */
function wholeValues(event) {
  const meta = member(parse(event), "meta");
  const found = {};
  for (const name of ["input", "output", "expected_output"]) {
    const value = member(meta, name);
    if (value !== undefined) found[name] = event.slice(value.from, value.to);
    Object.assign(found, { [`${name}_cut`]: false, [`${name}_left_out`]: 0 });
  }
  return found;
}

/** The rows beside a trace's, in the list that a question asks for. */
function beside(saved, traceId, params) {
  const { rows, total } = pageOf(saved, { ...params, offset: 0, limit: Infinity });
  const position = rows.findIndex((row) => row.trace_id === traceId);
  return position === -1
    ? { total, position: null, previous: null, next: null }
    : { total, position, previous: rows[position - 1] ?? null, next: rows[position + 1] ?? null };
}

/** The rows that a question asks for, in its order: `{total, rows}`. */
export function pageOf({ rows, traces }, params) {
  const wanted = rows.filter(
    (row) =>
      TESTS.every(([name, test]) => !given(params[name]) || test(row, params, traces)) &&
      (!given(params.q) || isFound(traces[row.trace_id]?.spans ?? [row], params.q)),
  );
  const ordered = sorted(wanted, params.sort ?? "start", params.order ?? "asc");
  const offset = Number(params.offset ?? 0);
  return { total: wanted.length, rows: ordered.slice(offset, offset + Number(params.limit ?? 100)) };
}

function given(value) {
  return value !== undefined && value !== null && value !== "";
}

const of = (row, label) => row.metrics.filter((metric) => metric.label === label);

const within = (row, label, test) =>
  of(row, label).some((metric) => !metric.failed && typeof metric.value === "number" && test(metric.value));

// Parameter → whether a row is as it says.
const TESTS = [
  ["status", (row, { status }) => row.status === status],
  [
    "error",
    (row, { error }, traces) =>
      error === "any"
        ? row.errors > 0
        : (traces[row.trace_id]?.spans ?? []).some((span) => span.status === "error" && span.error_type === error),
  ],
  ["failed", (row, { label }) => row.metrics.some((each) => each.failed && (!label || each.label === label))],
  [
    "not_applicable",
    (row, { label }) => row.metrics.some((each) => each.not_applicable && (!label || each.label === label)),
  ],
  ["missing", (row, { missing }) => of(row, missing).length === 0],
  [
    "value",
    (row, { label, value }) => of(row, label).some((each) => !each.failed && String(each.value) === value),
  ],
  ["min", (row, { label, min }) => within(row, label, (value) => value >= Number(min))],
  ["max", (row, { label, max }) => within(row, label, (value) => value <= Number(max))],
  ["below", (row, { label, below }) => within(row, label, (value) => value < Number(below))],
];

/**
 * Whether each word that is asked for begins a word in one of the spans, or is one where it is a single letter; case
 * and accents don't count.
 */
function isFound(spans, asked) {
  const text = ` ${words(spans.map(searched).join("\n"))} `;
  const wanted = words(asked).trim().split(" ");
  return wanted.every((word) => text.includes(word.length > 1 ? ` ${word}` : ` ${word} `));
}

function words(text) {
  return text
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, " ");
}

/** A span's words: its texts, and the strings and numbers in its values, not the names in objects. */
function searched(span) {
  const values = [span.input, span.output, span.expected_output]
    .filter(given)
    .map((value) => leaves(parse(value)));
  return [span.name, span.row_id, span.error_type, span.error_message, ...values.flat()]
    .filter(given)
    .join("\n");
}

const KEYS = {
  start: (row) => row.start_ns,
  duration: (row) => row.duration_ns,
  row_id: (row) => row.row_id ?? row.name,
  status: (row) => row.status,
  cost_usd: (row) => row.cost_usd,
  input_tokens: (row) => row.input_tokens,
  output_tokens: (row) => row.output_tokens,
};

function sorted(rows, sort, order) {
  const key = sort.startsWith("score:")
    ? (row) => of(row, sort.slice("score:".length)).find((metric) => !metric.failed)?.value
    : (KEYS[sort] ?? KEYS.start);
  const keyed = rows.map((row, place) => [key(row), place, row]);
  const sign = order === "desc" ? -1 : 1;
  // What has no value comes last in either order; rows that are alike, as they were saved: by their start.
  keyed.sort(([a, placeA], [b, placeB]) => {
    if (given(a) !== given(b)) return given(a) ? -1 : 1;
    return sign * (a < b ? -1 : a > b ? 1 : placeA - placeB);
  });
  return keyed.map(([, , row]) => row);
}
