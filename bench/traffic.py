"""Traffic that looks like real traffic: bodies for `/batch/`, made before the clock starts.

The mix: 60 % pageviews and autocaptures of about 45 properties (posthog-js's own names, ~2 KB), 20 % personful events with
`$set`, 5 % identify with a merge, 5 % groups, 10 % small. Persons weigh about 2 KB. Everything follows from one seed.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from hedgerow.core.ids import uuid7

BROWSERS = ("Chrome", "Safari", "Firefox", "Edge", "Opera")
SYSTEMS = ("Windows", "Mac OS X", "iOS", "Android", "Linux")
PATHS = tuple(f"/p/{n}" for n in range(400))
REFERRERS = ("google.com", "$direct", "bing.com", "news.example", "social.example")
START_MS = 1_790_000_000_000


def browser_properties(chance: random.Random, person: int) -> dict[str, Any]:
    """What posthog-js puts on a pageview: about 45 keys."""
    path = chance.choice(PATHS)
    session = f"01990000-{chance.randrange(65536):04x}-7000-8000-{person:012x}"
    return {
        "$os": chance.choice(SYSTEMS), "$os_version": f"{chance.randrange(9, 19)}.{chance.randrange(9)}",
        "$browser": chance.choice(BROWSERS), "$browser_version": chance.randrange(90, 150),
        "$device_type": chance.choice(("Desktop", "Mobile", "Tablet")), "$timezone": "Europe/Berlin",
        "$current_url": f"https://shop.example{path}?q={chance.randrange(5000)}", "$host": "shop.example", "$pathname": path,
        "$raw_user_agent": f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{chance.randrange(90, 150)}.0.0.0 Safari/537.36",
        "$browser_language": "de-DE", "$browser_language_prefix": "de", "$screen_height": 1080, "$screen_width": 1920,
        "$viewport_height": chance.randrange(500, 1100), "$viewport_width": chance.randrange(360, 1920),
        "$lib": "web", "$lib_version": "1.449.2", "$insert_id": f"{chance.getrandbits(80):020x}", "$time": 1_790_000_000.123,
        "distinct_id": f"anon-{person}", "$device_id": f"dev-{person}", "$session_id": session, "$window_id": session,
        "$pageview_id": f"01990000-{chance.randrange(65536):04x}-7000-8000-{chance.getrandbits(48):012x}",
        "$referrer": "https://google.com/", "$referring_domain": chance.choice(REFERRERS),
        "utm_source": chance.choice(("google", "newsletter", None)), "utm_medium": None, "utm_campaign": None, "gclid": None,
        "$initial_person_info": {"r": "$direct", "u": "https://shop.example/"}, "$active_feature_flags": ["checkout", "nav"],
        "$feature/checkout": chance.choice(("a", "b")), "$feature/nav": True, "$is_identified": False,
        "$process_person_profile": False, "$recording_status": "disabled", "$sdk_debug_retry_queue_size": 0,
        "$lib_rate_limit_remaining_tokens": 98.5, "$config_defaults": "unset", "title": f"Product {path[3:]} | The shop",
        "token": "phc_bench", "$lib_custom_api_host": "http://127.0.0.1:8000",
    }  # fmt: skip


def person_properties(person: int) -> dict[str, Any]:
    """About 2 KB that an application knows of its user."""
    about = {f"trait_{n}": f"value {person * 31 + n} of a trait that an application keeps" for n in range(30)}
    return {
        "email": f"user{person}@mail.example",
        "name": f"User {person}",
        "plan": ("free", "pro", "team")[person % 3],
        **about,
    }


def mix(count: int, *, persons: int = 20_000, seed: int = 1, keys: int = 0) -> Iterator[dict[str, Any]]:
    """The stated mix. With `keys`, each large event also carries five of that many distinct property names."""
    chance = random.Random(seed)
    for n in range(count):
        person = chance.randrange(persons)
        share = chance.random()
        event: dict[str, Any] = {"uuid": str(uuid7()), "timestamp": _moment(n)}
        if share < 0.6:
            properties = browser_properties(chance, person)
            name = "$pageview" if share < 0.4 else "$autocapture"
            if name == "$autocapture":
                properties |= {"$event_type": "click", "$el_text": "Buy", "$elements_chain": _CHAIN}
            if keys:
                properties |= {f"key_{chance.randrange(keys)}": chance.randrange(100) for _ in range(5)}
            event |= {"event": name, "distinct_id": f"anon-{person}", "properties": properties}
        elif share < 0.8:
            event |= {"event": "order paid", "distinct_id": f"user-{person}",
                      "properties": {"total": chance.randrange(5, 900), "currency": "EUR", "$lib": "posthog-node",
                                     "$set": person_properties(person) | {"orders": chance.randrange(50)}}}  # fmt: skip
        elif share < 0.85:
            event |= {"event": "$identify", "distinct_id": f"user-{person}",
                      "properties": {"$anon_distinct_id": f"anon-{person}", "$set": {"plan": "pro"}}}  # fmt: skip
        elif share < 0.9:
            event |= {"event": "$groupidentify", "distinct_id": f"user-{person}",
                      "properties": {"$group_type": "company", "$group_key": f"c-{person % 500}",
                                     "$group_set": {"name": f"Company {person % 500}", "seats": person % 90}}}  # fmt: skip
        else:
            event |= small_event(person, chance)
        yield event


def small(count: int, *, persons: int = 20_000, seed: int = 2) -> Iterator[dict[str, Any]]:
    """Events as a back end sends them: a name and two properties, no person."""
    chance = random.Random(seed)
    for n in range(count):
        yield {"uuid": str(uuid7()), "timestamp": _moment(n), **small_event(chance.randrange(persons), chance)}


def small_event(person: int, chance: random.Random) -> dict[str, Any]:
    return {"event": "step done", "distinct_id": f"anon-{person}",
            "properties": {"step": chance.randrange(9), "ok": True, "$process_person_profile": False}}  # fmt: skip


def bodies(token: str, events: Iterator[dict[str, Any]], size: int, *, zipped: bool = True) -> list[bytes]:
    """Bodies of `/batch/`, `size` events each."""
    made: list[bytes] = []
    batch: list[dict[str, Any]] = []
    pack: Callable[[bytes], bytes] = (lambda data: gzip.compress(data, 6)) if zipped else bytes
    for event in events:
        batch.append(event)
        if len(batch) == size:
            made.append(pack(json.dumps({"api_key": token, "batch": batch}).encode()))
            batch = []
    if batch:
        made.append(pack(json.dumps({"api_key": token, "batch": batch}).encode()))
    return made


def _moment(n: int) -> str:
    seconds, ms = divmod(n * 7, 1000)
    minutes, second = divmod(seconds, 60)
    return f"2026-11-{20 + minutes // 1440 % 4:02d}T{minutes // 60 % 24:02d}:{minutes % 60:02d}:{second:02d}.{ms:03d}Z"


_CHAIN = (
    'button.cta.primary:attr__class="cta primary"attr__type="button"nth-child="2"nth-of-type="1"text="Buy";'
    'div.card:attr__class="card"nth-child="4"nth-of-type="4";main:nth-child="2"nth-of-type="1"'
)
