// The shop. It speaks to posthog-js as any page would; the list beside it shows what the server has stored.
import { clockTime, element, watch } from "./live.js";

const posthog = window.posthog;
if (!posthog) {
  document.getElementById("who").textContent = "posthog-js did not load; an ad blocker may hold it back.";
  throw new Error("posthog-js did not load");
}

const shop = document.getElementById("shop");
const form = document.getElementById("join");
const basket = [];
const seen = new Map(); // uuid → what is known of the event
const ids = new Set(); // every distinct id that this page has been

posthog.init(shop.dataset.token, {
  api_host: location.origin,
  person_profiles: "identified_only",
  opt_out_useragent_filter: true, // a newcomer may well look at this with a headless browser
  disable_surveys: true,
  loaded: () => {
    remember();
    const id = posthog.get_distinct_id();
    if (id.includes("@")) showMember(id);
  },
});

posthog.on("eventCaptured", (event) => {
  remember();
  seen.set(event.uuid, {
    event: event.event,
    detail: detail(event.properties),
    time: Date.now(),
    isStored: false,
  });
  draw();
});

watch((events) => {
  for (const event of events) {
    const known = seen.get(event.uuid);
    if (known && known.isStored) continue;
    seen.set(event.uuid, {
      event: event.event,
      detail: known ? known.detail : event.element_text || event.path,
      time: event.stored_ms,
      isStored: true,
    });
  }
  draw();
}, () => [...ids].slice(-20));

function remember() {
  const id = posthog.get_distinct_id();
  if (id) ids.add(id);
  document.getElementById("who").textContent = `You are ${id}.`;
}

/** The one thing about an event that a reader recognises. */
function detail(of) {
  const words = [of.$el_text, of.product, of.$group_key, of.plan, of.total && `€ ${of.total.toFixed(2)}`, of.$pathname];
  return words.find((word) => word) || "";
}

function draw() {
  const newest = [...seen.values()].sort((one, other) => other.time - one.time).slice(0, 40);
  document.getElementById("stream").replaceChildren(...newest.map((entry) => {
    const item = element("li");
    item.dataset.state = entry.isStored ? "stored" : "sent";
    const dot = element("span", "", `dot ${item.dataset.state}`);
    dot.setAttribute("role", "img");
    dot.setAttribute("aria-label", entry.isStored ? "stored" : "on its way");
    item.append(dot, element("strong", entry.event), element("time", clockTime(entry.time)), element("span", entry.detail));
    return item;
  }));
}

function total() {
  return Math.round(basket.reduce((sum, item) => sum + item.price, 0) * 100) / 100;
}

function showBasket(text) {
  const names = basket.map((item) => item.name).join(", ");
  document.getElementById("basket").textContent = text || (basket.length ? `${names}: € ${total().toFixed(2)}` : "Empty so far.");
  document.getElementById("pay").disabled = basket.length === 0;
}

function properties(button, name) {
  return { product: button.dataset[name], category: button.dataset.category, price: Number(button.dataset.price) };
}

shop.addEventListener("click", (click) => {
  const button = click.target.closest("button");
  if (!button) return;
  if (button.dataset.view) posthog.capture("product viewed", properties(button, "view"));
  if (button.dataset.add) {
    basket.push({ name: button.dataset.name, price: Number(button.dataset.price) });
    posthog.capture("product added", { ...properties(button, "add"), quantity: 1 });
    showBasket();
  }
});

document.getElementById("pay").addEventListener("click", () => {
  const paid = { total: total(), items: basket.length, currency: "EUR" };
  posthog.capture("order paid", { ...paid, $set: { last_order_total: paid.total }, $set_once: { first_order_total: paid.total } });
  basket.length = 0;
  showBasket("Paid. Thank you; nothing was charged.");
});

form.addEventListener("submit", (submit) => {
  submit.preventDefault();
  const { email, company } = Object.fromEntries(new FormData(form));
  posthog.identify(email, { email, plan: "seedling" }, { joined_from: "demo" });
  if (company) posthog.group("company", company, { name: form.company.selectedOptions[0].textContent });
  posthog.capture("signed up", { plan: "seedling" });
  showMember(email);
});

document.getElementById("leave").addEventListener("click", () => {
  posthog.capture("signed out");
  posthog.reset();
  remember();
  showMember("");
});

function showMember(email) {
  const member = document.getElementById("member");
  member.hidden = !email;
  member.querySelector("span").textContent = email ? `You are a member as ${email}.` : "";
  form.hidden = Boolean(email);
  form.reset();
}
