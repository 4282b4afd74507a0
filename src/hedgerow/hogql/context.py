"""What a query is compiled for: the project, its modifiers, the limits; and what comes out of it (hogql §1, §11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    from hedgerow.hogql import ast

Owner = Literal["event", "person", "group"]
PropertyType = Literal["Numeric", "Boolean", "DateTime", "String", "Duration"]

DEFAULT_LIMIT = 100
MAX_LIMIT = 50_000


@dataclass(frozen=True)
class Cohort:
    """A cohort as a query sees it: `people` selects the person ids that are in it now, in one column."""

    id: int
    name: str
    people: ast.SelectQuery | ast.SelectSetQuery


@dataclass(frozen=True)
class Action:
    """An action as a query sees it: `condition` is true for the events that it matches."""

    id: int
    name: str
    condition: ast.Expr


@dataclass(frozen=True)
class View:
    """A saved query that can be named in FROM."""

    name: str
    query: ast.SelectQuery | ast.SelectSetQuery


class ProjectSchema(Protocol):
    """What HogQL asks about a project. Answers come from memory: they are asked for while a query compiles.

    `cohort`, `action` and `view` give every match of an id or a name; none, or None, means that there is no such thing.
    `version` changes whenever another answer would be given, so that compiled queries can be kept by it.
    """

    @property
    def team_id(self) -> int: ...
    @property
    def timezone(self) -> str: ...
    @property
    def week_start_day(self) -> int:
        """0 Sunday, 1 Monday."""
        ...

    @property
    def has_person_overrides(self) -> bool:
        """Whether any distinct id has moved to another person since its events came."""
        ...

    def property_type(self, owner: str, name: str, group_type_index: int | None = None) -> str | None: ...
    def property_column(self, name: str) -> str | None:
        """The column of `events` that holds a property of the event, where it has one of its own."""
        ...

    def group_type_index(self, group_type: str) -> int | None: ...
    def cohort(self, key: int | str) -> Sequence[Cohort] | None: ...
    def action(self, key: int | str) -> Sequence[Action] | None: ...
    def view(self, name: str) -> Sequence[View] | None: ...


PersonsMode = Literal[
    "disabled",
    "person_id_no_override_properties_on_events",
    "person_id_override_properties_on_events",
    "person_id_override_properties_joined",
]

BounceMode = Literal["count_pageviews", "uniq_urls", "uniq_page_screen_autocaptures"]
MOST_SECONDS = 86_400


class Modifiers(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The switches of hogql §11 that change rows or names. The others are echoed by the query room and mean nothing."""

    persons_on_events_mode: PersonsMode = "person_id_override_properties_on_events"
    persons_join_mode: Literal["inner", "left"] = "left"
    convert_to_project_timezone: bool = True
    bounce_rate_page_view_mode: BounceMode = "uniq_page_screen_autocaptures"
    bounce_rate_duration_seconds: Annotated[float, msgspec.Meta(ge=0, le=MOST_SECONDS)] = 10
    """A session that lasts as long is no bounce."""


class Notice(msgspec.Struct, frozen=True):
    """A remark about a place in the text, `start` to `end` in characters."""

    message: str
    start: int
    end: int


@dataclass(frozen=True)
class HogQLContext:
    """Everything that decides what a text compiles to.

    `limit_top` is put on a top-level SELECT that has no LIMIT of its own (None: no limit is added); with `page` one row
    more is read, so that the caller can tell whether there are more, and the limit is that of the page at `offset`.
    Limits above `max_limit` are lowered to it (None: they are not).
    """

    schema: ProjectSchema
    modifiers: Modifiers = field(default_factory=Modifiers)
    limit_top: int | None = DEFAULT_LIMIT
    max_limit: int | None = MAX_LIMIT
    page: bool = False
    offset: int = 0


@dataclass(frozen=True)
class CompiledQuery:
    """A query as ClickHouse is to run it.

    `columns` are the names in the API's sense, by position (ClickHouse's own may differ). `parameters` are the values of
    `{name:Type}` in `sql`. `settings` go with the query. `tables` are the ClickHouse tables it reads, `table_names` the
    HogQL ones it names. `limit` and `offset` are set when the query is paged: then `limit + 1` rows may come.
    """

    sql: str
    parameters: dict[str, object]
    columns: list[str]
    hogql: str
    settings: dict[str, object]
    tables: frozenset[str]
    table_names: tuple[str, ...]
    notices: tuple[Notice, ...] = ()
    limit: int | None = None
    offset: int | None = None


SETTINGS: dict[str, object] = {
    # what a query means
    "transform_null_in": 1,
    "session_timezone": "UTC",
    "use_variant_as_common_type": 0,
    "allow_experimental_join_condition": 1,
    "optimize_min_equality_disjunction_chain_length": 4_294_967_295,
    # how its answer is written
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_denormals": 0,
    "output_format_json_named_tuples_as_objects": 0,
    "output_format_json_escape_forward_slashes": 0,
    "date_time_output_format": "iso",
    # how much of it is read
    "max_query_size": 64 << 20,
    "max_ast_elements": 1_000_000,
    "max_expanded_ast_elements": 1_000_000,
    "max_ast_depth": 1000,
    "max_parser_depth": 1000,
    "max_hyperscan_regexp_length": 1_000,
    "max_hyperscan_regexp_total_length": 20_000,
}
"""ClickHouse settings of every HogQL query: those of hogql §1 that change rows, and the form of its JSON. Limits on time
and memory, and `readonly`, are the query room's."""
