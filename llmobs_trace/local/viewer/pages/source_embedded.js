// The answers that were saved into this file go in, answers to questions come out: sorted, filtered and searched here.

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
    experiments: async ({ q }) => ({
      experiments: !q || has(`${experiment.name} ${experiment.id}`, q) ? [experiment] : [],
    }),
    experiment: async (id) => (own(id), saved.experiment),
    rows: async (id, params) => (own(id), pageOf(saved.rows, params)),
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
    compare: async () => {
      throw new Missing("a saved file holds one experiment; llmobs-trace serve compares several");
    },
    compareRows: async () => ({ total: 0, rows: [] }),
  };
}

function has(text, wanted) {
  return text.toLowerCase().includes(wanted.toLowerCase());
}

/** The rows that a question asks for, in its order: `{total, rows}`. */
export function pageOf(rows, params) {
  const wanted = rows.filter((row) =>
    TESTS.every(([name, test]) => !given(params[name]) || test(row, params)),
  );
  const ordered = sorted(wanted, params.sort ?? "start", params.order ?? "asc");
  const offset = Number(params.offset ?? 0);
  return { total: wanted.length, rows: ordered.slice(offset, offset + Number(params.limit ?? 100)) };
}

function given(value) {
  return value !== undefined && value !== null && value !== "";
}

const of = (row, label) => row.metrics.filter((metric) => metric.label === label);

// Parameter → whether a row is as it says.
const TESTS = [
  ["status", (row, { status }) => row.status === status],
  ["failed", (row) => row.metrics.some((metric) => metric.failed)],
  ["missing", (row, { missing }) => of(row, missing).length === 0],
  [
    "value",
    (row, { label, value }) =>
      of(row, label).some((metric) => !metric.failed && String(metric.value) === value),
  ],
  [
    "min",
    (row, { label, min }) =>
      of(row, label).some((metric) => typeof metric.value === "number" && metric.value >= Number(min)),
  ],
  [
    "max",
    (row, { label, max }) =>
      of(row, label).some((metric) => typeof metric.value === "number" && metric.value <= Number(max)),
  ],
  ["q", (row, { q }) => words(q).every((word) => searched(row).includes(word))],
];

function words(text) {
  return text.toLowerCase().split(/\s+/).filter(Boolean);
}

function searched(row) {
  return [row.name, row.row_id, row.input, row.output, row.expected_output, row.error_type, row.error_message]
    .filter(given)
    .join("\n")
    .toLowerCase();
}

const KEYS = {
  start: (row) => row.start_ns,
  duration: (row) => row.duration_ns,
  row_id: (row) => row.row_id ?? row.name,
  status: (row) => row.status,
};

function sorted(rows, sort, order) {
  const key = sort.startsWith("score:")
    ? (row) => of(row, sort.slice("score:".length)).find((metric) => !metric.failed)?.value
    : (KEYS[sort] ?? KEYS.start);
  const keyed = rows.map((row) => [key(row), row]);
  const sign = order === "desc" ? -1 : 1;
  // What has no value comes last in either order.
  keyed.sort(([a], [b]) =>
    given(a) ? (given(b) ? sign * (a < b ? -1 : a > b ? 1 : 0) : -1) : given(b) ? 1 : 0,
  );
  return keyed.map(([, row]) => row);
}
