// The address goes in, its page is drawn, and drawn again when the address or the store changes.

import { h, patch } from "./dom.js";
import * as keys from "./keys.js";
import { watch } from "./live.js";
import * as compare from "./page_compare.js";
import * as experiment from "./page_experiment.js";
import * as experiments from "./page_experiments.js";
import * as trace from "./page_trace.js";
import * as router from "./router.js";
import { helpDialog, shell } from "./shell.js";
import { Missing, source } from "./source.js";
import * as theme from "./theme.js";

// A page: `load(route, source)` → data; `view(route, data)` → nodes; `title(route, data)`; `path(route, data)` → the
// links above it; `keys(route, data)` → actions; `again(data)` → after how many ms to load it once more, or null.
const PAGES = { experiments, experiment, trace, compare };
const SLOW_MS = 200;

const state = {
  route: router.current(),
  data: null,
  error: null,
  loading: false,
  connection: source.live ? "live" : "saved",
};
const root = document.getElementById("app");
let turn = 0;

function draw() {
  const { route, data } = state;
  const page = PAGES[route.page];
  const ready = data !== null && page !== undefined;
  const path = ready ? page.path(route, data) : [];
  document.title = ready ? `${page.title(route, data)} · llmobs-trace` : "llmobs-trace";
  patch(root, shell({ ...state, path }, ready ? page.view(route, data) : waiting()));
}

function waiting() {
  if (state.error !== null) return null;
  if (PAGES[state.route.page] === undefined) {
    return h(
      "div",
      { class: "empty" },
      h("h1", { tabindex: -1 }, "There is no such page"),
      h("p", {}, h("a", { href: router.href(["experiments"]) }, "All experiments")),
    );
  }
  return state.loading ? h("p", { class: "empty quiet" }, "Loading…") : null;
}

/** Load what the address names and draw it; `keep`: the page goes on, with newer data. */
async function show({ keep = false } = {}) {
  turn += 1;
  const mine = turn;
  const { route } = state;
  const page = PAGES[route.page];
  if (page === undefined) {
    Object.assign(state, { data: null, error: null, loading: false });
    draw();
    return;
  }
  const slow = setTimeout(() => {
    if (mine === turn && !keep) draw();
  }, SLOW_MS);
  state.loading = true;
  try {
    const data = await page.load(route, source, state.data);
    if (mine !== turn) return;
    Object.assign(state, { data, error: null, loading: false });
    const soon_ms = page.again?.(data);
    if (soon_ms) setTimeout(() => mine === turn && show({ keep: true }), soon_ms);
  } catch (error) {
    if (mine !== turn) return;
    Object.assign(state, {
      error,
      loading: false,
      data: error instanceof Missing && !keep ? null : state.data,
    });
    if (!(error instanceof Missing)) console.warn(String(error));
  } finally {
    clearTimeout(slow);
  }
  draw();
  setTimeout(keys.catchUp); // once what is gone on from has the focus
}

function isSamePage(one, other) {
  return router.segments(one).join("/") === router.segments(other).join("/");
}

async function moved({ back = false, replace = false, focus = null, keep = false } = {}) {
  const before = state.route;
  const places = keep ? scrolled() : null;
  state.route = router.current();
  const same = isSamePage(before, state.route);
  if (same && before.params.toString() === state.route.params.toString()) {
    draw(); // only the span is another
    return;
  }
  if (!same) Object.assign(state, { data: null, error: null });
  await show();
  if (places !== null) {
    document.querySelector("main h1")?.focus({ preventScroll: true });
    for (const [selector, top] of places) document.querySelector(selector)?.scrollTo(0, top);
  } else if (back) {
    scrollTo(0, history.state?.scroll ?? 0);
    document.getElementById(history.state?.focus ?? "")?.focus({ preventScroll: true });
  } else if (focus !== null || (!same && !replace)) {
    scrollTo(0, 0);
    const left = focus === null ? null : document.getElementById(focus);
    if (left === null) document.querySelector("main h1")?.focus({ preventScroll: true });
    else {
      left.scrollIntoView({ block: "center" });
      left.focus({ preventScroll: true });
    }
  }
}

/** How far down it is, of the page and of what scrolls within it. */
function scrolled() {
  return ["html", ".detail"].map((selector) => [selector, document.querySelector(selector)?.scrollTop ?? 0]);
}

/** To the page above, at what was left there. */
function up() {
  const { route, data } = state;
  const above = data === null ? [] : PAGES[route.page].path(route, data);
  if (above.length < 2) return;
  router.go(above[above.length - 2][1], { focus: PAGES[route.page].focusAbove?.(data) ?? null });
}

function isLoading() {
  return state.loading && state.data === null;
}

function actions() {
  const page = PAGES[state.route.page];
  const always = {
    "?": () => document.getElementById("help")?.showModal(),
    t: () => {
      theme.next();
      draw();
    },
    "g e": () => router.go(router.href(["experiments"])),
    Escape: (event) => {
      const menu = document.querySelector("details.menu[open]");
      if (menu !== null) {
        menu.open = false;
        menu.querySelector("summary").focus();
      } else if (event.target.type === "search") {
        if (event.target.value !== "") return false; // the browser clears it
        event.target.blur();
      } else up();
    },
  };
  if (isLoading()) return always;
  const onPages = {
    "/": () => {
      const field = document.querySelector("main input[type=search]");
      field?.focus();
      field?.select();
    },
    j: () => keys.step("main tbody a.open", 1),
    k: () => keys.step("main tbody a.open", -1),
    n: () => document.querySelector("main a[rel=next]")?.click(),
    p: () => document.querySelector("main a[rel=prev]")?.click(),
  };
  return { ...always, ...onPages, ...(state.data !== null && page?.keys ? page.keys(state.route, state.data) : {}) };
}

theme.apply();
history.scrollRestoration = "manual";
document.body.append(helpDialog());
router.followLinks();
keys.listen(actions, isLoading);
addEventListener("went", (event) => moved(event.detail));
addEventListener("popstate", () => moved({ back: true }));
addEventListener("redraw", draw);
addEventListener("changed", () => show({ keep: true }));
addEventListener("resize", () => requestAnimationFrame(draw)); // more or fewer cards stand beside one another
draw();
await show();
if (source.live) {
  setInterval(() => document.hidden || draw(), 30_000); // "2 min ago" becomes three
  watch(
    source,
    () => show({ keep: true }),
    (connection) => {
      if (state.connection === connection) return;
      state.connection = connection;
      draw();
    },
  );
}
