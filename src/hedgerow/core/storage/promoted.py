"""Properties that were given a column of their own on this store, beside those that every store has (`schema/columns.py`).

A promoted column is like the others: a DEFAULT over `properties_map`, so that inserts do not name it. Its name is `p_` and
the property's; whoever opens the store finds it there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hedgerow.core.storage.schema.columns import EVENT_PROPERTY_COLUMNS, VALUE_OF_RAW

if TYPE_CHECKING:
    from hedgerow.core.storage.events import EventStore

PREFIX: Final = "p_"
COLUMNS_MAX: Final = 100
"""Of promoted columns: each costs every insert and every merge a little."""
FEW_VALUES: Final = 10_000
"""Up to so many different values in a sample are kept by number (LowCardinality)."""
SAMPLE_ROWS: Final = 1_000_000
PROMOTABLE: Final = re.compile(r"[A-Za-z0-9_$ .\-/:]{1,100}")
"""Keys that can be promoted; others are read from the map for ever."""

_KNOWN = f"SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'events' AND startsWith(name, '{PREFIX}')"
_VALUES = "SELECT uniq(properties_map[{key:String}]) FROM (SELECT properties_map FROM events LIMIT {rows:UInt64})"
_ANY = "SELECT count() FROM (SELECT 1 FROM events WHERE properties_map[{key:String}] != '' LIMIT 1)"
_SIZE = (
    "SELECT sum(column_data_compressed_bytes) FROM system.parts_columns"
    " WHERE database = currentDatabase() AND table = 'events' AND active AND column = {column:String}"
)


class CannotPromote(Exception):  # noqa: N818 — a sentence for whoever asked
    """A property that gets no column; the message says why."""


async def property_columns(events: EventStore) -> dict[str, str]:
    """Event property → its column of `events`. Raises `StoreError`, `StoreUnavailable`."""
    return {name.removeprefix(PREFIX): name for (name,) in await events.rows(_KNOWN, settled=False)}


async def promote(events: EventStore, key: str) -> str:
    """Give a property a column, and fill it for the events that are there: the column's name.

    Raises `CannotPromote`, `StoreError`, `StoreUnavailable`. Nothing is wrong if it is interrupted: rows without the column
    compute it when they are read.
    """
    if PROMOTABLE.fullmatch(key) is None:
        raise CannotPromote(f"The property {key[:100]!r} cannot be the name of a column.")
    columns = await property_columns(events)
    if key in columns:
        raise CannotPromote(f"The property {key!r} has a column already.")
    if len(columns) - len(EVENT_PROPERTY_COLUMNS) >= COLUMNS_MAX:
        raise CannotPromote(f"{COLUMNS_MAX} properties have columns already; more would slow every insert.")
    ((is_sent,),) = await events.rows(_ANY, {"key": key})
    if not is_sent:
        raise CannotPromote(f"No event has the property {key!r}.")
    ((values,),) = await events.rows(_VALUES, {"key": key, "rows": SAMPLE_ROWS})
    kind = "LowCardinality(Nullable(String))" if values <= FEW_VALUES else "Nullable(String)"
    column = PREFIX + key
    value = VALUE_OF_RAW.format(raw=f"properties_map['{key}']")
    await events.command(f"ALTER TABLE events ADD COLUMN IF NOT EXISTS `{column}` {kind} DEFAULT {value}")
    await events.command(f"ALTER TABLE events MATERIALIZE COLUMN `{column}`", settings={"mutations_sync": 2})
    return column


async def size_of(events: EventStore, column: str) -> int:
    """Bytes of a column on disk; 0 while its parts are so small that they keep all columns in one file. Raises `StoreError`, `StoreUnavailable`."""
    ((size,),) = await events.rows(_SIZE, {"column": column})
    return int(size)
