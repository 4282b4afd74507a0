"""The tables that HogQL can name, as data (hogql §5).

A table is a ClickHouse table and its fields, in the order of `SELECT *`. To add one: write it down here or in a module
beside this one that `TABLES` takes in, and describe its lazy joins in `joins`.
"""

from __future__ import annotations

from hedgerow.hogql.cohorts import COHORT_TABLES, COHORT_VERSIONS, COHORT_VIEWS
from hedgerow.hogql.query_log import QUERY_LOG
from hedgerow.hogql.replay import LOG_VIEWS, REPLAY_TABLES
from hedgerow.hogql.sessions import SESSION_TABLES
from hedgerow.hogql.table import (
    TEAM_ID,
    VERSIONS,
    Column,
    Expression,
    Field,
    LazyJoin,
    Ruled,
    Table,
    Traverser,
    VirtualTable,
    fields_of,
)
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

__all__ = [
    "BUILT_IN_VIEWS",
    "INTERNAL_TABLES",
    "TABLES",
    "Column",
    "Expression",
    "Field",
    "LazyJoin",
    "Ruled",
    "Table",
    "Traverser",
    "VirtualTable",
]

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
    keys=fields_of(
        Column("person_properties_id", INTEGER),
        Column("distinct_id_hash", INTEGER),
        Column("session_id_v7", INTEGER, "toUInt128(toUUIDOrZero({0}.`$session_id`))"),
    ),
    fields=fields_of(
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
        LazyJoin("session", "sessions", "session_id_v7", "session_id_v7"),
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
        Table("persons", "persons", fields_of(*_PERSON_FIELDS), keeps="newest"),
        Table("raw_persons", "persons", fields_of(*_PERSON_FIELDS, *VERSIONS)),
        Table("person_distinct_ids", "person_distinct_ids", fields_of(*_DISTINCT_ID_FIELDS), keeps="newest"),
        Table("raw_person_distinct_ids", "person_distinct_ids", fields_of(*_DISTINCT_ID_FIELDS, *VERSIONS)),
        Table(
            "person_distinct_id_overrides",
            "person_overrides",
            fields_of(*_DISTINCT_ID_FIELDS),
            keeps="newest",
            keys=fields_of(Column("distinct_id_hash", INTEGER, "cityHash64({0}.`distinct_id`)")),
        ),
        Table("raw_person_distinct_id_overrides", "person_overrides", fields_of(*_DISTINCT_ID_FIELDS, *VERSIONS)),
        Table("groups", "groups", fields_of(*_GROUP_FIELDS), keeps="newest"),
        Table("raw_groups", "groups", fields_of(*_GROUP_FIELDS, *VERSIONS)),
        *SESSION_TABLES,
        *REPLAY_TABLES,
        *COHORT_TABLES,
        QUERY_LOG,
        Table(
            "generateSeries",
            "generateSeries",
            fields_of(Column("generate_series", INTEGER)),
            guarded=False,
            min_args=2,
            max_args=3,
        ),
        Table("numbers", "numbers", fields_of(Column("number", INTEGER)), guarded=False, min_args=1, max_args=2),
    )
}
"""What may stand in FROM, by name."""

BUILT_IN_VIEWS: dict[str, str] = {
    **{name: f"SELECT * FROM log_entries WHERE log_source = '{source}'" for name, source in LOG_VIEWS.items()},
    **COHORT_VIEWS,
}
"""Views that every project has: name → HogQL."""

INTERNAL_TABLES: dict[str, Table] = {
    "cohort_versions": COHORT_VERSIONS,
    "person_properties_versions": Table(
        "person_properties_versions",
        "person_properties_versions",
        fields_of(Column("id", INTEGER), TEAM_ID, Column("properties", PERSON_PROPERTIES)),
    ),
}
"""Tables that only rules join; FROM does not find them."""
