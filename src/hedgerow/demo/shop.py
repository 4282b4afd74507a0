"""The shop's story, event by event: what browsers and the shop's back end would have sent.

Fernhill is a garden shop. Visitors come from search, a newsletter, social posts and friends; some sign up, some buy, some
run a business account with colleagues. A campaign in week nine and a new checkout in week ten leave marks to be found.

Everything follows from one seed and the day on which the story ends, so two runs give equal events with equal uuids.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

HOST = "fernhill.example"
LIBRARY = {"$lib": "web", "$lib_version": "1.449.2"}
PRODUCTS = (
    ("fern-starter-box", "Fern starter box", 34.0, "plants"),
    ("copper-watering-can", "Copper watering can", 58.5, "tools"),
    ("moss-mat", "Moss mat", 19.0, "plants"),
    ("hedge-shears", "Hedge shears", 72.0, "tools"),
    ("seed-library", "Seed library", 27.5, "seeds"),
    ("raised-bed", "Raised bed", 149.0, "furniture"),
    ("compost-club", "Compost club", 12.0, "subscription"),
    ("glass-cloche", "Glass cloche", 41.0, "tools"),
)
CHANNELS = (
    (0.36, "google.com", {}),
    (0.22, "$direct", {}),
    (0.14, "newsletter.example", {"utm_source": "newsletter", "utm_medium": "email", "utm_campaign": "weekly"}),
    (0.12, "instagram.com", {"utm_source": "instagram", "utm_medium": "social", "utm_campaign": "green_windows"}),
    (0.10, "google.com", {"utm_source": "google", "utm_medium": "cpc", "utm_campaign": "spring", "gclid": "c1"}),
    (0.06, "friend.example", {}),
)
DEVICES = (
    (0.42, "Desktop", "Chrome", 141, "Windows", "10", 1920, 1080),
    (0.16, "Desktop", "Safari", 19, "Mac OS X", "15.6", 1512, 982),
    (0.08, "Desktop", "Firefox", 146, "Linux", "", 1680, 1050),
    (0.20, "Mobile", "Mobile Safari", 19, "iOS", "19.1", 393, 852),
    (0.14, "Mobile", "Chrome", 141, "Android", "16", 412, 915),
)
COUNTRIES = (
    (0.34, "DE", "Germany"),
    (0.24, "GB", "United Kingdom"),
    (0.22, "US", "United States"),
    (0.12, "NO", "Norway"),
    (0.08, "NL", "Netherlands"),
)
NAMES = (
    "Ada",
    "Bo",
    "Cleo",
    "Dan",
    "Edda",
    "Finn",
    "Gita",
    "Hugo",
    "Ida",
    "Jon",
    "Kaya",
    "Leo",
    "Mina",
    "Nils",
    "Olga",
    "Per",
)
SURNAMES = ("Ash", "Birch", "Cedar", "Dale", "Elder", "Fern", "Grove", "Heath", "Ivy", "Juniper", "Knoll", "Linden")
COMPANIES = ("greenworks", "park-and-co", "city-roofs", "north-nurseries", "moss-and-stone", "field-studio")
MEMBER_PLANS = ("seedling", "gardener", "estate")


@dataclass(frozen=True)
class Shop:
    """How large the story is. The defaults give about 200,000 events of about 5,000 people over 90 days."""

    ends: datetime
    days: int = 90
    members: int = 5_000
    visitors: int = 5_000
    seed: int = 20_260_223


@dataclass
class _Visitor:
    random: random.Random
    device_id: str
    member: int | None
    device: tuple[Any, ...]
    country: tuple[Any, ...]
    channel: tuple[Any, ...]
    company: str | None
    loyalty: float
    distinct_id: str = ""
    seen: bool = False
    signed_up: bool = False
    person: dict[str, Any] = field(default_factory=dict)


def shop_events(shop: Shop) -> Iterator[dict[str, Any]]:
    """The story in order of time, each event as an SDK puts it into a batch (sdk-wire §5.1)."""
    chance = random.Random(shop.seed)  # noqa: S311 — a story, not a secret
    visitors = [_visitor(shop, number, chance) for number in range(shop.members + shop.visitors)]
    start = (shop.ends - timedelta(days=shop.days)).astimezone(UTC)
    regulars: list[_Visitor] = []
    waiting = list(visitors)
    chance.shuffle(waiting)
    share = [_weight(day, shop.days) for day in range(shop.days)]
    total = sum(share)
    for day in range(shop.days):
        midnight = start + timedelta(days=day)
        count = round(len(visitors) * share[day] / total)
        arriving = [waiting.pop() for _ in range(min(count, len(waiting)))]
        returning = [visitor for visitor in regulars if chance.random() < visitor.loyalty]
        sessions = [(_moment(midnight, visitor.random), visitor) for visitor in arriving + returning]
        sessions.sort(key=lambda pair: pair[0])
        for moment, visitor in sessions:
            yield from _session(visitor, moment, day, shop)
        regulars += [visitor for visitor in arriving if visitor.loyalty > 0]


def _visitor(shop: Shop, number: int, chance: random.Random) -> _Visitor:
    own = random.Random(chance.getrandbits(64))  # noqa: S311
    member = number if number < shop.members else None
    return _Visitor(
        random=own,
        device_id=str(_uuid(own, shop.ends - timedelta(days=shop.days))),
        member=member,
        device=_pick(DEVICES, own),
        country=_pick(COUNTRIES, own),
        channel=_pick(CHANNELS, own),
        company=own.choice(COMPANIES) if member is not None and own.random() < 0.18 else None,
        loyalty=own.betavariate(1.0, 32) if member is not None else 0.0,
    )


def _session(visitor: _Visitor, moment: datetime, day: int, shop: Shop) -> Iterator[dict[str, Any]]:
    """One visit: a few pages, perhaps a sign-up, perhaps an order."""
    own = visitor.random
    if not visitor.distinct_id:
        visitor.distinct_id = visitor.device_id
    session = _Session(visitor, moment, first=not visitor.seen)
    visitor.seen = True
    yield session.page("/", "Fernhill, everything green")
    if visitor.member is None and own.random() < 0.35:
        yield session.leave()
        return
    for _ in range(own.choice((1, 1, 2, 2, 3, 4))):
        slug, name, price, category = own.choice(PRODUCTS)
        yield session.page(f"/{category}", category.title())
        yield session.click("a", name, f"/{category}/{slug}")
        yield session.page(f"/{category}/{slug}", name)
        yield session.event("product viewed", product=slug, category=category, price=price)
        if own.random() < 0.4:
            yield session.click("button", "Add to basket", None)
            yield session.event("product added", product=slug, category=category, price=price, quantity=1)
            session.basket.append((slug, price))
    if visitor.member is not None and not visitor.signed_up:
        yield from _sign_up(visitor, session)
    new_checkout = day >= shop.days - 21 and visitor.member is not None and visitor.member % 2 == 0
    if session.basket and own.random() < (0.62 if new_checkout else 0.5):
        yield from _order(visitor, session, new_checkout=new_checkout)
    if own.random() < 0.7:
        yield session.leave()


def _sign_up(visitor: _Visitor, session: _Session) -> Iterator[dict[str, Any]]:
    own = visitor.random
    member = visitor.member or 0
    name = f"{NAMES[member % len(NAMES)]} {SURNAMES[member // len(NAMES) % len(SURNAMES)]}"
    plan = own.choices(MEMBER_PLANS, (70, 24, 6))[0]
    yield session.page("/join", "Join the club")
    anonymous = visitor.distinct_id
    visitor.distinct_id = f"member-{member:05d}"
    visitor.signed_up = True
    visitor.person = {
        "email": f"{name.lower().replace(' ', '.')}.{member}@mail.example",
        "name": name,
        "plan": plan,
        "country": visitor.country[2],
        "newsletter": own.random() < 0.6,
        "orders": 0,
    }
    yield session.event(
        "$identify",
        **{
            "$anon_distinct_id": anonymous,
            "$set": dict(visitor.person),
            "$set_once": {"first_seen_channel": visitor.channel[1]},
        },
    )
    yield session.event("signed up", plan=plan)
    if visitor.company:
        yield session.event(
            "$groupidentify",
            **{
                "$group_type": "company",
                "$group_key": visitor.company,
                "$group_set": {"name": visitor.company.replace("-", " ").title(), "seats": 5 + len(visitor.company)},
            },
        )


def _order(visitor: _Visitor, session: _Session, *, new_checkout: bool) -> Iterator[dict[str, Any]]:
    total = round(sum(price for _, price in session.basket), 2)
    version = "one_page" if new_checkout else "classic"
    yield session.page("/checkout", "Checkout")
    yield session.event("checkout started", total=total, items=len(session.basket), checkout=version)
    if visitor.random.random() < (0.86 if new_checkout else 0.71):
        paid: dict[str, Any] = {"total": total, "items": len(session.basket), "currency": "EUR", "checkout": version}
        if visitor.signed_up:
            visitor.person["orders"] += 1
            paid["$set"] = {"orders": visitor.person["orders"]}
            paid["$set_once"] = {"first_order_total": total}
        yield session.event("order paid", **paid)


class _Session:
    """The properties that posthog-js would put on each event of a visit, and the visit's moving clock."""

    def __init__(self, visitor: _Visitor, moment: datetime, *, first: bool) -> None:
        self.visitor = visitor
        self.moment = moment
        self.basket: list[tuple[str, float]] = []
        _, kind, browser, version, system, system_version, width, height = visitor.device
        _, country, country_name = visitor.country
        _, referrer, campaign = visitor.channel
        self._base: dict[str, Any] = {
            "$session_id": str(_uuid(visitor.random, moment)),
            "$window_id": str(_uuid(visitor.random, moment)),
            "$device_id": visitor.device_id,
            "$browser": browser,
            "$browser_version": version,
            "$os": system,
            "$os_version": system_version,
            "$device_type": kind,
            "$screen_width": width,
            "$screen_height": height,
            "$host": HOST,
            "$referring_domain": referrer if first else "$direct",
            "$referrer": f"https://{referrer}/" if first and referrer != "$direct" else "$direct",
            "$geoip_country_code": country,
            "$geoip_country_name": country_name,
            "$geoip_disable": True,
            **LIBRARY,
            **(campaign if first else {}),
        }
        self._path = "/"

    def event(self, name: str, **properties: Any) -> dict[str, Any]:
        own = self.visitor.random
        self.moment += timedelta(milliseconds=own.randrange(900, 40_000))
        own_properties = {
            **self._base,
            "$current_url": f"https://{HOST}{self._path}",
            "$pathname": self._path,
            "$process_person_profile": self.visitor.signed_up,
            **properties,
        }
        if self.visitor.company and self.visitor.signed_up:
            own_properties["$groups"] = {"company": self.visitor.company}
        return {
            "uuid": str(_uuid(own, self.moment)),
            "event": name,
            "distinct_id": self.visitor.distinct_id,
            "timestamp": self.moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "properties": own_properties,
        }

    def page(self, path: str, title: str) -> dict[str, Any]:
        self._path = path
        return self.event("$pageview", title=title)

    def leave(self) -> dict[str, Any]:
        return self.event("$pageleave")

    def click(self, tag: str, text: str, href: str | None) -> dict[str, Any]:
        link = f'attr__href="{href}"href="{href}"' if href else ""
        chain = f'{tag}.card:{link}nth-child="1"nth-of-type="1"text="{text}";main:nth-child="2"nth-of-type="1"'
        return self.event("$autocapture", **{"$event_type": "click", "$el_text": text, "$elements_chain": chain})


def _weight(day: int, days: int) -> float:
    """Growth over the weeks, busy weekends, and a campaign in week nine."""
    campaign = 1.6 if days - 30 <= day < days - 23 else 1.0
    return (0.6 + 0.8 * day / days) * (1.25 if day % 7 in {5, 6} else 1.0) * campaign


def _moment(midnight: datetime, own: random.Random) -> datetime:
    hour = min(22.5, max(6.0, own.gauss(15, 4)))
    return midnight + timedelta(hours=hour, milliseconds=own.randrange(60_000))


def _pick(rows: tuple[tuple[Any, ...], ...], own: random.Random) -> tuple[Any, ...]:
    return own.choices(rows, [row[0] for row in rows])[0]


def _uuid(own: random.Random, moment: datetime) -> UUID:
    """A version 7 UUID of that moment from the story's own chance."""
    value = int(moment.timestamp() * 1_000) << 80 | own.getrandbits(80)
    value = value & ~(0xF000 << 64) | 0x7000 << 64
    return UUID(int=value & ~(0xC000 << 48) | 0x8000 << 48)


def batches(shop: Shop, size: int) -> Iterator[bytes]:
    """The story as bodies of `/batch/` without their token: JSON lists of `size` events."""
    encode = msgspec.json.Encoder().encode
    waiting: list[dict[str, Any]] = []
    for event in shop_events(shop):
        waiting.append(event)
        if len(waiting) == size:
            yield encode(waiting)
            waiting = []
    if waiting:
        yield encode(waiting)
