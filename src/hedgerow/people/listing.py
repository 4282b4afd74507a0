"""Reading persons from SQL: pages of a list, one person, values of a property (rest-api §5).

Each question takes a fixed number of statements, however many persons the answer has.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hedgerow.core.clock import from_us, iso
from hedgerow.people import sql
from hedgerow.people.filters import Filters, in_sql
from hedgerow.people.schemas import PersonOut, ValueOut

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from hedgerow.core.storage.metadata import Metadata

DISPLAY_NAMES: Final = ("email", "Email", "$email", "name", "Name", "username", "Username", "UserName")
"""Properties that a person is called by, where the project names none."""
VALUES_MAX: Final = 50
SLICE: Final = 250
"""Persons that are read at once."""
PAGE_BYTES: Final = 64 << 20
"""Properties of a page, about."""
_UUID_LIKE: Final = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f-]{50,}", re.IGNORECASE)

_COLUMNS: Final = "uuid, created_at_us, properties, is_identified"
_IDS_OF: Final = """
SELECT person_uuid, distinct_id FROM person_distinct_ids
WHERE team_id = :team_id AND person_uuid IN @uuids ORDER BY version, distinct_id
"""
_VALUES: Final = {
    "sqlite": """
        SELECT CASE found.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(found.value AS TEXT) END,
            count(*) AS number
        FROM persons, json_each(persons.properties) AS found
        WHERE persons.team_id = :team_id AND found.key = :key AND found.type <> 'null' AND found.value LIKE :like ESCAPE '\\'
        GROUP BY 1 ORDER BY number DESC, 1 LIMIT :limit
    """,
    "postgresql": """
        SELECT value, count(*) AS number FROM (
            SELECT CAST(properties AS jsonb) ->> :key AS value FROM persons WHERE team_id = :team_id
        ) AS found
        WHERE value ILIKE :like ESCAPE '\\'
        GROUP BY 1 ORDER BY number DESC, 1 LIMIT :limit
    """,
}


async def list_persons(
    metadata: Metadata,
    team_id: int,
    filters: Filters,
    *,
    now_us: int,
    limit: int,
    offset: int,
    names: Sequence[str] | None,
) -> tuple[list[PersonOut], int]:
    """A page of persons, newest first, and how many there are in all; of the filters, those that SQL has an index for.

    The page ends early once its persons weigh `PAGE_BYTES`: anyone who may send events may make heavy ones.
    """
    where = in_sql(filters)
    condition = f"team_id = :team_id AND created_at_us <= :now_us AND {where.text}"
    parameters = {"team_id": team_id, "now_us": now_us, **where.values}
    statement = f"SELECT {_COLUMNS} FROM persons WHERE {condition} ORDER BY created_at_us DESC, uuid LIMIT :limit OFFSET :offset"
    found: list[Any] = []
    async with metadata.connection(read_only=True) as connection:
        for start in range(0, limit, SLICE):
            part = {**parameters, "limit": min(SLICE, limit - start), "offset": offset + start}
            rows = await sql.rows(connection, statement, part)
            found += rows
            if len(rows) < part["limit"] or _weight(found) > PAGE_BYTES:
                break
        count = (await sql.rows(connection, f"SELECT count(*) FROM persons WHERE {condition}", parameters))[0][0]
        return await _out(connection, team_id, found, names), int(count)


async def persons_by_uuid(
    metadata: Metadata, team_id: int, uuids: Sequence[str], names: Sequence[str] | None
) -> tuple[list[PersonOut], int]:
    """These persons in this order, and how many of the uuids were looked at: a page ends early where it gets heavy.

    A person that is gone by now is left out.
    """
    statement = f"SELECT {_COLUMNS} FROM persons WHERE team_id = :team_id AND uuid IN @uuids"
    found: list[Any] = []
    looked_at = 0
    async with metadata.connection(read_only=True) as connection:
        for start in range(0, len(uuids), SLICE):
            part = uuids[start : start + SLICE]
            found += await sql.rows(connection, statement, {"team_id": team_id, "uuids": sql.listed(part)})
            looked_at += len(part)
            if _weight(found) > PAGE_BYTES:
                break
        persons = {person.uuid: person for person in await _out(connection, team_id, found, names)}
    return [persons[uuid] for uuid in uuids if uuid in persons], looked_at


async def find_person(
    metadata: Metadata, team_id: int, *, uuid: str | None = None, row_id: int | None = None, names: Sequence[str] | None
) -> PersonOut | None:
    """One person by its uuid or its number."""
    column = "uuid = :uuid" if uuid is not None else "id = :uuid"
    async with metadata.connection(read_only=True) as connection:
        found = await sql.rows(
            connection,
            f"SELECT {_COLUMNS} FROM persons WHERE team_id = :team_id AND {column}",
            {"team_id": team_id, "uuid": uuid if uuid is not None else row_id},
        )
        persons = await _out(connection, team_id, found, names)
    return persons[0] if persons else None


async def persons_of(
    metadata: Metadata, team_id: int, distinct_ids: Collection[str], names: Sequence[str] | None
) -> dict[str, PersonOut]:
    """The persons of these distinct ids, by distinct id."""
    asked = set(distinct_ids)
    statement = f"""
        SELECT {_COLUMNS} FROM persons WHERE team_id = :team_id AND uuid IN
        (SELECT person_uuid FROM person_distinct_ids WHERE team_id = :team_id AND distinct_id IN @ids)
    """
    async with metadata.connection(read_only=True) as connection:
        found = await sql.rows(connection, statement, {"team_id": team_id, "ids": sql.listed(asked)})
        persons = await _out(connection, team_id, found, names)
    return {distinct_id: person for person in persons for distinct_id in person.distinct_ids if distinct_id in asked}


async def property_values(metadata: Metadata, team_id: int, key: str, like: str) -> list[ValueOut]:
    """The values of a person property that contain `like`, most frequent first."""
    pattern = "%" + like.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    parameters = {"team_id": team_id, "key": key, "like": pattern, "limit": VALUES_MAX}
    async with metadata.connection(read_only=True) as connection:
        found = await sql.rows(connection, _VALUES[metadata.dialect], parameters)
    return [ValueOut(name, count) for name, count in found]


def _weight(rows: Sequence[Any]) -> int:
    return sum(len(properties) for _, _, properties, _ in rows)


async def _out(
    connection: AsyncConnection, team_id: int, rows: Sequence[Any], names: Sequence[str] | None
) -> list[PersonOut]:
    ids: dict[str, list[str]] = {row[0]: [] for row in rows}
    if ids:
        for uuid, distinct_id in await sql.rows(connection, _IDS_OF, {"team_id": team_id, "uuids": sql.listed(ids)}):
            ids[uuid].append(distinct_id)
    return [
        person_out(uuid, created_at_us, properties, ids[uuid], is_identified=bool(is_identified), names=names)
        for uuid, created_at_us, properties, is_identified in rows
    ]


def person_out(
    uuid: str,
    created_at_us: int,
    properties: str,
    distinct_ids: list[str],
    *,
    is_identified: bool,
    names: Sequence[str] | None,
) -> PersonOut:
    """A person as the API shows it: distinct ids that look made up by an SDK come last."""
    ordered = sorted(distinct_ids, key=lambda distinct_id: _UUID_LIKE.fullmatch(distinct_id) is not None)
    values = msgspec.json.decode(properties)
    called = next((str(values[key]) for key in names or DISPLAY_NAMES if values.get(key)), None)
    return PersonOut(
        id=uuid,
        uuid=uuid,
        name=called or (ordered[0] if ordered else uuid),
        created_at=iso(from_us(created_at_us)),
        is_identified=is_identified,
        distinct_ids=ordered,
        properties=msgspec.Raw(properties.encode()),
    )
