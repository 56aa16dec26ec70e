// An address goes in, what it names comes out, and back; all that a page shows is in its address.
//
//   /experiments                                  ?q=&dataset=&sort=&order=&offset=&pick=a,b
//   /experiments/{id}                             ?where=&where=…&sort=&order=&by=&offset=
//                                                 &columns=&height=&cards=
//   /experiments/{id}/traces/{trace_id}#{span}    ?fold=&spans=&at=&find=&without= and the list's, or from=
//   /compare?a=&b=[&c=…]                          &q=&regressions=&improvements=&changed=&failed=&flipped=&sort=&order=
//                                                 &offset=&open=&direction.<label>=, and to read one row &read=&diff=
//
// A saved file has one address for all its pages: there, what would be the address stands behind its `#`.

import { source } from "./source.js";

const inFile = !source.live;

/** The experiment that a file holds, by its id; null where a server has many. */
export const only = source.only ?? null;

/** What the address bar names now; in a file, its experiment where it names no other page. */
export function current() {
  const route = parse(inFile ? location.hash.slice(1) || "/" : location.href);
  return only !== null && route.page === "experiments" ? parse(href(["experiments", only]).slice(1)) : route;
}

/** The parts of an address: `{page, id, traceId, params, span}`. */
export function parse(address) {
  const url = new URL(address, "http://here/");
  const [first, id, second, traceId, ...more] = url.pathname.split("/").slice(1).map(decoded);
  const params = url.searchParams;
  const span = decoded(url.hash.slice(1));
  if (first === "" || (first === "experiments" && !id)) return { page: "experiments", params, span };
  if (first === "compare" && id === undefined) return { page: "compare", params, span };
  if (first === "experiments" && second === undefined) return { page: "experiment", id, params, span };
  if (first === "experiments" && second === "traces" && traceId && more.length === 0) {
    return { page: "trace", id, traceId, params, span };
  }
  return { page: "nowhere", params, span };
}

function decoded(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment; // a lone % was typed
  }
}

/** An address for a link: path segments, parameters (null, "" and false are left out; a list repeats one), a span. */
export function href(segments, params = {}, span = "") {
  const path = `/${segments.map(encodeURIComponent).join("/")}`;
  const query = new URLSearchParams();
  const given = params instanceof URLSearchParams ? [...params] : Object.entries(params);
  for (const [name, value] of given) {
    for (const each of [value].flat())
      if (each !== null && each !== undefined && each !== "" && each !== false) query.append(name, String(each));
  }
  const text = query.toString();
  const address = path + (text && `?${text}`) + (span && `#${encodeURIComponent(span)}`);
  return inFile ? `#${address}` : address;
}

/** The address of a route's page with some parameters changed. */
export function changed(route, changes, span = route.span) {
  return href(segments(route), { ...repeated(route.params), ...changes }, span);
}

/** Parameters by name; of one that an address repeats, the list. */
export function repeated(params) {
  return Object.fromEntries([...params.keys()].map((name) => [name, params.getAll(name)]));
}

/** The path of a route, in its segments. */
export function segments(route) {
  if (route.page === "trace") return ["experiments", route.id, "traces", route.traceId];
  if (route.page === "experiment") return ["experiments", route.id];
  return [route.page];
}

/**
 * Go to an address: a new entry in the browser's history, or (`replace`) in place of the present one. `focus` is the
 * id of what to go on from there; `keep`: as far down as here.
 */
export function go(address, { replace = false, focus = null, keep = false } = {}) {
  if (replace) history.replaceState(history.state, "", address);
  else {
    history.replaceState({ scroll: scrollY, focus: document.activeElement?.id ?? "" }, "");
    history.pushState(null, "", address);
  }
  dispatchEvent(new CustomEvent("went", { detail: { replace, focus, keep } }));
}

/** Change parameters of the address that there is now: a handler's page may be older than it. */
export function change(changes, span) {
  const route = current();
  go(changed(route, changes, span ?? route.span), { replace: true });
}

/** Follow links of ours without loading the page anew; everything else is the browser's. */
export function followLinks() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (link === null || link === undefined || event.defaultPrevented || event.button !== 0) return;
    if (
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey ||
      link.target ||
      link.hasAttribute("download")
    )
      return;
    const address = link.getAttribute("href");
    if (!address.startsWith(inFile ? "#/" : "/") || address.startsWith("/assets/")) return;
    event.preventDefault();
    go(address, { keep: link.dataset.keep === "scroll" });
  });
}
