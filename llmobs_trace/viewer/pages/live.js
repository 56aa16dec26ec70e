// A store that may grow goes in, a call comes out each time it has; while somebody looks.

const EVERY_MS = 1000;
const AFTER_FAILURE_MS = 3000;

/**
 * Ask for the store's revision again and again, and call `changed` when it is another. `state` is told "live",
 * or "offline" while the server doesn't answer. A hidden page asks for nothing.
 */
export function watch(source, changed, state) {
  let last = null;
  let timer = 0;
  let asking = false;

  async function ask() {
    if (document.hidden || asking) return;
    asking = true;
    let wait = EVERY_MS;
    try {
      const revision = await source.revision();
      state("live");
      if (last !== null && revision !== last) await changed();
      last = revision;
    } catch {
      wait = AFTER_FAILURE_MS;
      state("offline");
    }
    asking = false;
    timer = setTimeout(ask, wait);
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    ask();
  });
  ask();
}
