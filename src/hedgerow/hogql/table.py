"""What a table of HogQL is made of: columns, fields that stand for others, joins (hogql §5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from hedgerow.hogql.context import Modifiers
from hedgerow.hogql.types import BOOLEAN, INTEGER, ValueType


class Column(msgspec.Struct, frozen=True):
    """A stored column, or one computed by `sql` out of the table's own: `{0}` is the table's alias there. Where modifiers
    decide, `sql` is a function of them.

    `starred` columns are part of `SELECT *`.
    """

    name: str
    type: ValueType
    sql: str | Callable[[Modifiers], str] | None = None
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
    (ReplacingMergeTree FINAL), `merged` reads each key once, its states merged (AggregatingMergeTree FINAL), `all` reads
    rows as they are stored. `guarded` is False for table functions, which hold
    nobody's rows; they take `min_args` to `max_args` arguments. `sample_by` is the column whose hash SAMPLE goes by.
    `keys` are columns that joins go by and nobody names.
    """

    name: str
    clickhouse: str
    fields: dict[str, Field]
    keeps: Literal["newest", "merged", "all"] = "all"
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


def fields_of(*fields: Field) -> dict[str, Field]:
    """The fields by name, in order."""
    return {each.name: each for each in fields}


TEAM_ID = Column("team_id", INTEGER, starred=False)
VERSIONS = (Column("is_deleted", BOOLEAN), Column("version", INTEGER))
