// The answers that were saved into this file go in, answers to questions come out: sorted, filtered and searched here.

import { START, read, readField } from "./conditions.js";
import { leaves, member, parse } from "./json.js";
import { grouped, meets, ordered } from "./matching.js";
import { Missing } from "./missing.js";

/** The source of a saved file: `{experiment, rows, traces, spans}` as the server would have answered. */
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
    groups: async (id, params) => (own(id), grouped(met(saved, params), saved.rows, readField(params.by))),
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
export function pageOf(saved, params) {
  const wanted = met(saved, params);
  const [field, isDescending] = params.sort?.startsWith("-") ? [params.sort.slice(1), true] : [params.sort, false];
  const rows = ordered(wanted, (row) => within(saved, row), readField(field || START), isDescending !== (params.order === "desc"));
  const offset = Number(params.offset ?? 0);
  return { total: wanted.length, rows: rows.slice(offset, offset + Number(params.limit ?? 100)) };
}

function met(saved, { where }) {
  const conditions = [where ?? []].flat().map(read);
  return saved.rows.filter((row) => {
    const spans = within(saved, row);
    return conditions.every((condition) => meets(row, spans, condition, (span) => searched(saved, span, row)));
  });
}

/** The spans within a row, itself first. */
function within({ traces }, row) {
  const spans = traces[row.trace_id]?.spans ?? [row];
  const from = Math.max(0, spans.findIndex(({ span_id: id }) => id === row.span_id));
  const length = spans.slice(from + 1).findIndex(({ depth }) => depth <= spans[from].depth);
  return spans.slice(from, length === -1 ? undefined : from + 1 + length);
}

/** A span's words: its texts, and the strings and numbers in its values, not the names in objects. */
function searched(saved, span, row) {
  const whole = Object.hasOwn(saved.spans, span.span_id) ? wholeValues(saved.spans[span.span_id].span) : {};
  const { input, output, expected_output: expected } = { ...span, ...whole };
  const values = [input, output, expected].filter(isThere).map((value) => leaves(parse(value)));
  return [span.name, span.span_id === row.span_id && row.row_id, span.error_type, span.error_message, ...values.flat()].filter(isThere).join("\n");
}

const isThere = (value) => value !== undefined && value !== null && value !== "" && value !== false;
