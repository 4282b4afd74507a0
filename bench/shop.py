"""Ten million events of a shop, made by ClickHouse's own generators: sessions of ten events, persons, groups.

They go into the same tables with all views, so that sessions, declared columns and property maps are there as after capture.
"""

from __future__ import annotations

from pathlib import Path

from bench.properties import TEAM, merge
from hedgerow.core.storage.events import EventStore
from hedgerow.settings import Settings

PERSONS = 100_000
GROUPS = 1_000
EVENTS_OF_A_SESSION = 10
BLOCK_EVENTS = 1_000_000
DAYS_MS = 90 * 86_400_000
FILLER = 16
"""Keys that are only there, as on real events."""


def _pick(values: tuple[str, ...], number: str) -> str:
    return f"[{', '.join(repr(value) for value in values)}][{number} % {len(values)} + 1]"


EVENT = _pick(
    ("$pageview", "$autocapture", "$pageview", "$autocapture", "$autocapture", "$pageview", "$autocapture",
     "product viewed", "checkout started", "order paid"),
    "number",
)  # fmt: skip
PROPERTIES: tuple[tuple[str, str], ...] = (
    ("$browser", _pick(("Chrome", "Safari", "Firefox", "Edge"), "session")),
    ("$os", _pick(("Windows", "Mac OS X", "iOS", "Android"), "intDiv(session, 3)")),
    ("$pathname", "concat('/p/', toString(h % 400))"),
    ("$current_url", "concat('https://shop.example/p/', toString(h % 400), '?q=', toString(h % 5000))"),
    ("$referring_domain", _pick(("google.com", "$direct", "news.example"), "session")),
    ("utm_source", _pick(("google", "newsletter", "friend", "fair"), "intDiv(session, 7)")),
    ("title", "concat('Product number ', toString(h % 400), ' of the shop')"),
    *((f"key_{n}", f"concat('value {n} ', toString(cityHash64(number, {n}) % 50))") for n in range(FILLER)),
)


async def fill(folder: Path, events: int) -> None:
    """Fill the first project of a folder, and bring its parts to rest."""
    store = await EventStore.open(Settings.load({}, data_dir=folder))
    text = ", ',', ".join(f"'\"{key}\":\"', {value}, '\"'" for key, value in PROPERTIES)
    for first in range(0, events, BLOCK_EVENTS):
        await store.command(
            "INSERT INTO events (team_id, uuid, event, timestamp, created_at, distinct_id, person_id, person_mode,"
            " person_created_at, properties, person_properties_id, `$session_id`, `$group_0`)"
            f" SELECT {TEAM}, generateUUIDv4(number), {EVENT}, at, at, concat('d', toString(person)),"
            f" reinterpretAsUUID(toUInt128(person + 1)), 'full', at, concat('{{', {text}, '}}'), person + 1, sid,"
            f" concat('company ', toString(person % {GROUPS}))"
            f" FROM (SELECT number, intDiv(number, {EVENTS_OF_A_SESSION}) AS session, cityHash64(number) AS h,"
            f" cityHash64(session, 7) % {PERSONS} AS person,"
            f" toUInt64(toUnixTimestamp64Milli(now64(3))) - cityHash64(session, 3) % {DAYS_MS} AS began,"
            f" fromUnixTimestamp64Milli(toInt64(began + number % {EVENTS_OF_A_SESSION} * 20000 + h % 20000)) AS at,"
            " leftPad(lower(hex(began)), 12, '0') AS stamp, lower(hex(cityHash64(session, 5))) AS tail,"
            " concat(substring(stamp, 1, 8), '-', substring(stamp, 9, 4), '-7', leftPad(substring(tail, 1, 3), 3, '0'),"
            " '-8', leftPad(substring(tail, 4, 3), 3, '0'), '-', leftPad(lower(hex(session)), 12, '0')) AS sid"
            f" FROM numbers({first}, {min(BLOCK_EVENTS, events - first)}))"
        )
    plan = _pick(("free", "pro", "team"), "number")
    person = f'concat(\'{{"plan":"\', {plan}, \'","email":"u\', toString(number), \'@mail.example"}}\')'
    await store.command(
        f"INSERT INTO person_properties_versions (team_id, id, properties) SELECT {TEAM}, number + 1, {person} FROM numbers({PERSONS})"
    )
    await store.command(
        "INSERT INTO groups (team_id, group_type_index, group_key, created_at, updated_at, properties, is_deleted, version)"
        f" SELECT {TEAM}, 0, concat('company ', toString(number)), now(), now(), concat('{{\"plan\":\"', {plan}, '\"}}'),"
        f" false, 1 FROM numbers({GROUPS})"
    )
    await store.close()
    await merge(folder)
