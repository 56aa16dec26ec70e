// Questions go in, the answers of the server's /api come out.

import { Missing } from "./missing.js";

/** The source of a page that a server sent. */
export function http() {
  return {
    live: true,
    experiments: (params) => get(["experiments"], params),
    experiment: (id) => get(["experiments", id]),
    rows: (id, params) => get(["experiments", id, "rows"], params),
    groups: (id, params) => get(["experiments", id, "groups"], params),
    neighbours: (id, params) => get(["experiments", id, "neighbours"], params),
    trace: (id, traceId, params) => get(["experiments", id, "traces", traceId], params),
    span: (id, spanId) => get(["experiments", id, "spans", spanId]),
    shown: (id, { span_id: spanId }) => get(["experiments", id, "spans", spanId, "shown"]),
    compare: (ids, directions) => get(["compare"], { ...lettered(ids), ...directions }),
    compareRows: (ids, params) => get(["compare", "rows"], { ...lettered(ids), ...params }),
    compareRow: (ids, params) => get(["compare", "row"], { ...lettered(ids), ...params }),
    revision: async () => (await get(["revision"])).revision,
    rename: (id, name) => change(["experiments", id, "name"], { name }),
    note: (id, note) => change(["experiments", id, "note"], { note }),
    remove: (id) => change(["experiments", id, "delete"], {}),
    restore: (id) => change(["experiments", id, "restore"], {}),
    mark: (id, spanId, said) => change(["experiments", id, "marks", spanId], said),
  };
}

function lettered(ids) {
  return Object.fromEntries(ids.map((id, index) => [String.fromCharCode(97 + index), id]));
}

async function get(segments, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params))
    for (const each of [value].flat()) if (each !== undefined && each !== null && each !== "") query.append(name, each);
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

let token = null;

/** Have the server change something. Its token is asked for once, and again where it is another server by now. */
async function change(segments, body, isAgain = false) {
  token ??= (await get(["token"])).token;
  const answer = await fetch(`/api/${segments.map(encodeURIComponent).join("/")}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-LLMObs-Trace-Token": token },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (answer.ok) return;
  if (answer.status === 403 && !isAgain) {
    token = null;
    await change(segments, body, true);
  } else throw new Error(said(answer, text));
}

function said(answer, body) {
  try {
    const { error, errors } = JSON.parse(body);
    return String(error ?? errors[0].detail);
  } catch {
    return `the server answered ${answer.status}`;
  }
}
