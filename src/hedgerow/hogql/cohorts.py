"""`cohort_people` and its like: who is in which cohort (hogql §5). Filled by the room of people."""

from __future__ import annotations

from hedgerow.hogql.table import TEAM_ID, Column, LazyJoin, Table, fields_of
from hedgerow.hogql.types import INTEGER, UUID

_KEYS = (Column("person_id", UUID), Column("cohort_id", INTEGER), TEAM_ID)
_PERSON = LazyJoin("person", "persons", "person_id", "id")

COHORT_TABLES = (
    Table(
        "raw_cohort_people",
        "cohort_people",
        fields_of(
            *_KEYS,
            Column("sign", INTEGER, "toInt64(1)"),
            Column("version", INTEGER),
            _PERSON,
            LazyJoin("current", "cohort_versions", "cohort_id", "cohort_id"),
        ),
    ),
    Table("static_cohort_people", "static_cohort_people", fields_of(*_KEYS, _PERSON), keeps="newest"),
)
COHORT_VERSIONS = Table(
    "cohort_versions",
    "cohort_versions",
    fields_of(Column("cohort_id", INTEGER), TEAM_ID, Column("version", INTEGER)),
    keeps="newest",
)
"""Which calculation counts."""
COHORT_VIEWS = {
    "cohort_people": "SELECT person_id, cohort_id FROM raw_cohort_people WHERE version = current.version",
}
