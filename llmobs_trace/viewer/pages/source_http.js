// Questions go in, the answers of the server's /api come out.

import { Missing } from "./missing.js";

/** The source of a page that a server sent. */
export function http() {
  return {
    live: true,
    experiments: (params) => get(["experiments"], params),
    experiment: (id) => get(["experiments", id]),
    rows: (id, params) => get(["experiments", id, "rows"], params),
    neighbours: (id, params) => get(["experiments", id, "neighbours"], params),
    trace: (id, traceId, params) => get(["experiments", id, "traces", traceId], params),
    span: (id, spanId) => get(["experiments", id, "spans", spanId]),
    shown: (id, { span_id: spanId }) => get(["experiments", id, "spans", spanId, "shown"]),
    compare: (ids, directions) => get(["compare"], { ...lettered(ids), ...directions }),
    compareRows: (ids, params) => get(["compare", "rows"], { ...lettered(ids), ...params }),
    compareRow: (ids, params) => get(["compare", "row"], { ...lettered(ids), ...params }),
    revision: async () => (await get(["revision"])).revision,
  };
}

function lettered(ids) {
  return Object.fromEntries(ids.map((id, index) => [String.fromCharCode(97 + index), id]));
}

async function get(segments, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params))
    if (value !== undefined && value !== null && value !== "") query.set(name, value);
  const text = query.toString();
  const answer = await fetch(`/api/${segments.map(encodeURIComponent).join("/")}${text && `?${text}`}`, {
    cache: "no-store",
  });
  const body = await answer.text();
  if (answer.ok) return JSON.parse(body);
  throw answer.status === 404 || answer.status === 400
    ? new Missing(said(answer, body))
    : new Error(said(answer, body));
}

function said(answer, body) {
  try {
    return String(JSON.parse(body).error);
  } catch {
    return `the server answered ${answer.status}`;
  }
}
