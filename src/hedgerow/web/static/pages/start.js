// The live line of the first page.
import { clockTime, element, watch } from "./live.js";

const section = document.getElementById("live");
if (section) {
  const text = document.getElementById("live-text");
  const list = document.getElementById("live-list");
  const waiting = text.textContent;
  let newest = null;

  watch((events, isReachable) => {
    if (!isReachable) {
      section.dataset.state = "closed";
      text.textContent = "The server does not answer; trying again.";
      newest = null;
      return;
    }
    if (events.length === 0) {
      section.dataset.state = "waiting";
      text.textContent = waiting;
      return;
    }
    if (events[0].uuid === newest) return;
    newest = events[0].uuid;
    section.dataset.state = "arrived";
    text.textContent = `Stored: ${events[0].event}, at ${clockTime(events[0].stored_ms)}.`;
    list.hidden = false;
    list.replaceChildren(...events.slice(0, 5).map(line));
  });
}

function line(event) {
  const item = element("li");
  const where = event.path || event.distinct_id;
  item.append(
    element("strong", event.event),
    element("time", clockTime(event.stored_ms)),
    element("span", event.lib ? `from ${event.lib}, ${where}` : where),
  );
  return item;
}
