"""The tables that HogQL can name, as data (hogql §5).

A table is a ClickHouse table and its fields, in the order of `SELECT *`. To add one: write it down here or in a module
beside this one that `TABLES` takes in, and describe its lazy joins in `joins`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from hedgerow.hogql.types import (
    BOOLEAN,
    DATETIME,
    EVENT_PROPERTIES,
    INTEGER,
    PERSON_PROPERTIES,
    STRING,
    STRINGS,
    UUID,
    ValueType,
)


class Column(msgspec.Struct, frozen=True):
    """A stored column, or one computed by `sql` out of the table's own: `{0}` is the table's alias there.

    `starred` columns are part of `SELECT *`.
    """

    name: str
    type: ValueType
    sql: str | None = None
    starred: bool = True
    stored_as: str | None = None

    @property
    def clickhouse(self) -> str:
        """The ClickHouse column's name."""
        return self.stored_as or self.name


class Expression(msgspec.Struct, frozen=True):
    """A field that stands for a HogQL expression over the table's other fields."""

    name: str
    hogql: str
    starred: bool = False


class Traverser(msgspec.Struct, frozen=True):
    """Another way to write a chain of fields."""

    name: str
    chain: tuple[str, ...]


class Ruled(msgspec.Struct, frozen=True):
    """A field whose meaning depends on the project or on modifiers; the rule of that name answers (`rules.FIELDS`)."""

    name: str
    rule: str


class LazyJoin(msgspec.Struct, frozen=True):
    """A table that is joined only when one of its fields is asked for.

    Rows of `table` where every (field, value) of `where` holds are joined by `key = their_key`: at most one for each row,
    unless `join_type` says otherwise. Where none fits, its fields are NULL or ClickHouse's defaults, as in any LEFT JOIN.
    """

    name: str
    table: str
    key: str
    their_key: str
    where: tuple[tuple[str, int | str], ...] = ()
    join_type: str = "LEFT ANY JOIN"


class VirtualTable(msgspec.Struct, frozen=True):
    """Fields of the same row under a name of their own."""

    name: str
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field | None:
        """The field of that name."""
        return next((each for each in self.fields if each.name == name), None)


Field = Column | Expression | Traverser | Ruled | LazyJoin | VirtualTable


class Table(msgspec.Struct, frozen=True):
    """A table of HogQL.

    `keeps` says which versions of a row are seen: `newest` reads the last version of each key and drops deleted ones
    (ReplacingMergeTree FINAL), `all` reads rows as they are stored. `guarded` is False for table functions, which hold
    nobody's rows; they take `min_args` to `max_args` arguments. `sample_by` is the column whose hash SAMPLE goes by.
    `keys` are columns that joins go by and nobody names.
    """

    name: str
    clickhouse: str
    fields: dict[str, Field]
    keeps: Literal["newest", "all"] = "all"
    guarded: bool = True
    min_args: int | None = None
    max_args: int | None = None
    sample_by: str | None = None
    keys: dict[str, Field] = {}

    def stars(self) -> list[str]:
        """The names that `SELECT *` stands for, in order."""
        return [
            name
            for name, each in self.fields.items()
            if isinstance(each, Column | Expression | Ruled) and _starred(each)
        ]


def _starred(field: Column | Expression | Ruled) -> bool:
    return not isinstance(field, Ruled) and field.starred


def _fields(*fields: Field) -> dict[str, Field]:
    return {each.name: each for each in fields}


TEAM_ID = Column("team_id", INTEGER, starred=False)
VERSIONS = (Column("is_deleted", BOOLEAN), Column("version", INTEGER))
GROUP_TYPES = 5

_LINK = r'(?::|\")href="(.*?)"'
_TEXT = r'(?::|\")text="(.*?)"'
_ID = r'(?::|\")attr_id="(.*?)"'
_ELEMENT = r"(?:^|;)(a|button|form|input|select|textarea|label)(?:\.|$|:)"


def _literal(pattern: str) -> str:
    return "'" + pattern.replace("\\", "\\\\").replace("'", "\\'") + "'"


_EVENTS = Table(
    name="events",
    clickhouse="events",
    sample_by="distinct_id",
    keys=_fields(Column("person_properties_id", INTEGER), Column("distinct_id_hash", INTEGER)),
    fields=_fields(
        Column("uuid", UUID),
        Column("event", STRING),
        Column("properties", EVENT_PROPERTIES),
        Column("timestamp", DATETIME),
        TEAM_ID,
        Column("distinct_id", STRING),
        Column("elements_chain", STRING),
        Column("created_at", DATETIME),
        Column("$session_id", STRING),
        Column("$session_id_uuid", UUID.or_null(), "toUUIDOrNull({0}.`$session_id`)", starred=False),
        Column("$window_id", STRING),
        Column("person_mode", STRING),
        *(Column(f"$group_{index}", STRING) for index in range(GROUP_TYPES)),
        Column("elements_chain_href", STRING, f"extract({{0}}.`elements_chain`, {_literal(_LINK)})"),
        Column(
            "elements_chain_texts", STRINGS, f"arrayDistinct(extractAll({{0}}.`elements_chain`, {_literal(_TEXT)}))"
        ),
        Column("elements_chain_ids", STRINGS, f"arrayDistinct(extractAll({{0}}.`elements_chain`, {_literal(_ID)}))"),
        Column(
            "elements_chain_elements",
            STRINGS,
            f"arrayDistinct(extractAll({{0}}.`elements_chain`, {_literal(_ELEMENT)}))",
        ),
        Column("event_person_id", UUID, stored_as="person_id", starred=False),
        Ruled("person_id", "person_id"),
        Ruled("person", "person"),
        LazyJoin("pdi", "person_distinct_ids", "distinct_id", "distinct_id"),
        VirtualTable(
            "poe",
            (
                Column("id", UUID, stored_as="person_id"),
                Column("created_at", DATETIME, stored_as="person_created_at"),
                Ruled("properties", "person_properties_on_event"),
            ),
        ),
        LazyJoin("override", "person_distinct_id_overrides", "distinct_id", "distinct_id"),
        *(
            LazyJoin(f"group_{index}", "groups", f"$group_{index}", "key", (("index", index),))
            for index in range(GROUP_TYPES)
        ),
        *(
            LazyJoin(f"goe_{index}", "groups", f"$group_{index}", "key", (("index", index),))
            for index in range(GROUP_TYPES)
        ),
    ),
)

_PERSON_FIELDS: tuple[Field, ...] = (
    Column("id", UUID),
    Column("created_at", DATETIME),
    TEAM_ID,
    Column("properties", PERSON_PROPERTIES),
    Column("is_identified", BOOLEAN),
    LazyJoin("pdi", "person_distinct_ids", "id", "person_id", join_type="LEFT JOIN"),
)
_DISTINCT_ID_FIELDS: tuple[Field, ...] = (
    Column("distinct_id", STRING),
    Column("person_id", UUID),
    TEAM_ID,
    LazyJoin("person", "persons", "person_id", "id"),
)
_GROUP_FIELDS: tuple[Field, ...] = (
    Column("index", INTEGER, stored_as="group_type_index"),
    TEAM_ID,
    Column("key", STRING, stored_as="group_key"),
    Column("created_at", DATETIME),
    Column("updated_at", DATETIME),
    Column("properties", ValueType("JSON", owner="group")),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        _EVENTS,
        Table("persons", "persons", _fields(*_PERSON_FIELDS), keeps="newest"),
        Table("raw_persons", "persons", _fields(*_PERSON_FIELDS, *VERSIONS)),
        Table("person_distinct_ids", "person_distinct_ids", _fields(*_DISTINCT_ID_FIELDS), keeps="newest"),
        Table("raw_person_distinct_ids", "person_distinct_ids", _fields(*_DISTINCT_ID_FIELDS, *VERSIONS)),
        Table(
            "person_distinct_id_overrides",
            "person_overrides",
            _fields(*_DISTINCT_ID_FIELDS),
            keeps="newest",
            keys=_fields(Column("distinct_id_hash", INTEGER, "cityHash64({0}.`distinct_id`)")),
        ),
        Table("raw_person_distinct_id_overrides", "person_overrides", _fields(*_DISTINCT_ID_FIELDS, *VERSIONS)),
        Table("groups", "groups", _fields(*_GROUP_FIELDS), keeps="newest"),
        Table("raw_groups", "groups", _fields(*_GROUP_FIELDS, *VERSIONS)),
        Table("numbers", "numbers", _fields(Column("number", INTEGER)), guarded=False, min_args=1, max_args=2),
    )
}
"""What may stand in FROM, by name."""

INTERNAL_TABLES: dict[str, Table] = {
    "person_properties_versions": Table(
        "person_properties_versions",
        "person_properties_versions",
        _fields(Column("id", INTEGER), TEAM_ID, Column("properties", PERSON_PROPERTIES)),
    ),
}
"""Tables that only rules join; FROM does not find them."""
