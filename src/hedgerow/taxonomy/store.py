"""Definitions in SQL: read for one project, saved in short transactions, so that the writer never waits long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

from sqlalchemy import Insert, func, select
from sqlalchemy.dialects import postgresql, sqlite

from hedgerow.core import ids
from hedgerow.core.clock import from_us, to_us
from hedgerow.core.storage.metadata import Metadata
from hedgerow.taxonomy.memory import Definitions, Owner
from hedgerow.taxonomy.models import EventDefinition, EventProperty, PropertyDefinition

T = TypeVar("T")
ROWS_AT_ONCE: Final = 200
"""Rows of one transaction: the writer of events waits for it (about 4 ms)."""

State = tuple[int, object]
"""Changes when another worker saves a property or its type."""


async def load(metadata: Metadata, team_id: int, definitions: Definitions) -> None:
    """Take in all that SQL knows of the project. Raises MetadataUnavailable."""
    async with metadata.connection(read_only=True) as connection:
        event, prop = EventDefinition.__table__.c, PropertyDefinition.__table__.c
        events = await connection.execute(
            select(event.name, event.created_at, event.last_seen_at).where(event.team_id == team_id)
        )
        properties = await connection.execute(
            select(
                prop.owner, prop.group_type_index, prop.name, prop.property_type, prop.first_seen_at, prop.last_seen_at
            ).where(prop.team_id == team_id)
        )
        definitions.merge(
            ((name, to_us(first or last), to_us(last or first)) for name, first, last in events if first or last),
            (
                ((owner, index), name, kind, to_us(first), to_us(last))
                for owner, index, name, kind, first, last in properties
            ),
        )


async def state(metadata: Metadata, team_id: int) -> State:
    """What differs once anybody saved a property definition of the project. Raises MetadataUnavailable."""
    column = PropertyDefinition.__table__.c
    async with metadata.connection(read_only=True) as connection:
        found = await connection.execute(
            select(func.count(), func.max(column.changed_at)).where(column.team_id == team_id)
        )
        count, newest = found.one()
        return count, newest


async def save(metadata: Metadata, team_id: int, definitions: Definitions) -> None:
    """Write what changed. What cannot be written stays changed. Raises MetadataUnavailable."""
    await _save(metadata, definitions.changed_events, lambda names: _events(metadata, team_id, definitions, names))
    await _save(
        metadata, definitions.changed_properties, lambda keys: _properties(metadata, team_id, definitions, keys)
    )
    await _save(metadata, definitions.changed_pairs, lambda pairs: _pairs(metadata, team_id, pairs))


async def _save(metadata: Metadata, changed: set[T], rows_of: Any) -> None:
    for names in _batches(changed):
        statement, rows, done = rows_of(names)
        changed.difference_update(names)
        try:
            if rows:
                async with metadata.connection() as connection:
                    await connection.execute(statement, rows)
        except BaseException:
            changed.update(names)
            raise
        for seen, saved_us in done:
            seen.saved_us = saved_us


def _batches(changed: Iterable[T]) -> Iterator[list[T]]:
    waiting = iter(sorted(changed, key=repr))  # one order for all workers: PostgreSQL locks rows as they come
    while batch := list(islice(waiting, ROWS_AT_ONCE)):
        yield batch


def _events(metadata: Metadata, team_id: int, definitions: Definitions, names: Sequence[str]) -> Any:
    table = EventDefinition.__table__
    insert = _insert(metadata, table)
    statement = insert.on_conflict_do_update(
        index_elements=["team_id", "name"], set_={"last_seen_at": insert.excluded.last_seen_at}
    )
    found = [(name, definitions.events[name]) for name in names]
    rows = [
        {
            "id": ids.uuid7(),
            "team_id": team_id,
            "name": clean(name),
            "created_at": from_us(seen.first_us),
            "last_seen_at": from_us(seen.last_us),
        }
        for name, seen in found
    ]
    return statement, rows, [(seen, seen.last_us) for _, seen in found]


def _properties(metadata: Metadata, team_id: int, definitions: Definitions, keys: Sequence[tuple[Owner, str]]) -> Any:
    table = PropertyDefinition.__table__
    insert = _insert(metadata, table)
    statement = insert.on_conflict_do_update(
        index_elements=["team_id", "owner", "group_type_index", "name"],
        set_={
            "last_seen_at": insert.excluded.last_seen_at,
            "property_type": func.coalesce(table.c.property_type, insert.excluded.property_type),
            "is_numerical": func.coalesce(table.c.property_type, insert.excluded.property_type) == "Numeric",
            "changed_at": insert.excluded.changed_at,
        },
    )
    found = [(owner, name, definitions.properties[owner][name]) for owner, name in keys]
    rows = [
        {
            "id": ids.uuid7(),
            "team_id": team_id,
            "owner": owner[0],
            "group_type_index": owner[1],
            "name": clean(name),
            "property_type": seen.type,
            "is_numerical": seen.type == "Numeric",
            "first_seen_at": from_us(seen.first_us),
            "last_seen_at": from_us(seen.last_us),
            "changed_at": from_us(seen.last_us),
        }
        for owner, name, seen in found
    ]
    return statement, rows, [(seen, seen.last_us) for _, _, seen in found]


def _pairs(metadata: Metadata, team_id: int, pairs: Sequence[tuple[str, str]]) -> Any:
    statement = _insert(metadata, EventProperty.__table__).on_conflict_do_nothing()
    rows = [{"team_id": team_id, "event": clean(event), "property": clean(name)} for event, name in pairs]
    return statement, rows, []


def _insert(metadata: Metadata, table: Any) -> Any:
    insert: type[Insert] = postgresql.Insert if metadata.dialect == "postgresql" else sqlite.Insert
    return insert(table)


def clean(name: str) -> str:
    """A name as SQL can hold it: no NUL, no lone surrogate."""
    return (
        name.replace("\0", "\ufffd").encode(errors="replace").decode() if not name.isascii() or "\0" in name else name
    )
