// Asks what was stored since this page was opened, once a second while somebody looks at it.

const EVERY_MS = 1000;
const AFTER_FAILURE_MS = 5000;

/**
 * Call `show(events, isReachable)` after every answer: newest first, at most 30.
 * `distinctIds` gives the ids to ask for; none are everybody's.
 */
export function watch(show, distinctIds = () => []) {
  let since = null;
  let timer = null;
  let isAsking = false;

  async function ask() {
    timer = null;
    if (document.hidden || isAsking) return;
    isAsking = true;
    let wait = EVERY_MS;
    try {
      const query = new URLSearchParams(since === null ? [] : [["since", since]]);
      for (const id of distinctIds()) query.append("distinct_id", id);
      const answer = await fetch(`/web/live?${query}`, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const found = await answer.json();
      since = found.since;
      show(found.events, true);
    } catch {
      wait = AFTER_FAILURE_MS;
      show([], false);
    } finally {
      isAsking = false;
    }
    if (timer === null) timer = setTimeout(ask, wait);
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    clearTimeout(timer);
    ask();
  });
  ask();
}

/** `09:41:07` in the reader's own zone. */
export function clockTime(milliseconds) {
  return new Date(milliseconds).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** An element with text in it: what a client sent is never HTML here. */
export function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}
