"""Which query kinds there are. A new kind is one module and one line here."""

from __future__ import annotations

from typing import Any, Final, Protocol

from hedgerow.queries.actors_query import ActorsQueryKind
from hedgerow.queries.autocomplete import HogQLAutocompleteKind
from hedgerow.queries.database_schema import DatabaseSchemaQueryKind
from hedgerow.queries.errors import QueryRefused
from hedgerow.queries.event_taxonomy import EventTaxonomyQueryKind
from hedgerow.queries.events_query import EventsQueryKind
from hedgerow.queries.freshness import Interval
from hedgerow.queries.groups_query import GroupsQueryKind
from hedgerow.queries.hogql_query import HogQLQueryKind
from hedgerow.queries.metadata import HogQLMetadataKind
from hedgerow.queries.run import KindAnswer, Run
from hedgerow.queries.sessions_query import SessionsQueryKind
from hedgerow.queries.team_taxonomy import TeamTaxonomyQueryKind
from hedgerow.queries.trends_query import TrendsQueryKind

WRAPPERS: Final = frozenset({"DataTableNode", "DataVisualizationNode", "InsightVizNode"})
"""Nodes of the app that are run through their `source`."""
NOT_RUN: Final = frozenset({"EventsNode", "ActionsNode", "DataWarehouseNode", "SavedInsightNode", "PersonsNode"})
"""Nodes that are valid, but no queries."""
WRAPPERS_DEPTH_MAX: Final = 4


class Kind(Protocol):
    """A query kind."""

    name: str
    """As in `kind`."""
    refresh_seconds: int
    """How soon a client should ask again."""
    is_plain: bool
    """Whether the response is the kind's alone, without results and fields of the cache (queries §1.3)."""

    def read(self, query: dict[str, Any]) -> Any:
        """The node as a struct, which can be encoded. Raises `ValidationFailed`."""
        ...

    def overridden(self, node: Any, filters: dict[str, Any] | None, variables: dict[str, dict[str, Any]] | None) -> Any:
        """The node with filters and variables of a dashboard laid over it."""
        ...

    def interval(self, node: Any) -> Interval | None:
        """How long its results stay fresh (`freshness`)."""
        ...

    async def calculate(self, node: Any, run: Run) -> KindAnswer:
        """The kind's part of the response. Raises an ApiError."""
        ...


KINDS: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        HogQLQueryKind(),
        HogQLMetadataKind(),
        HogQLAutocompleteKind(),
        DatabaseSchemaQueryKind(),
        TeamTaxonomyQueryKind(),
        EventTaxonomyQueryKind(),
        EventsQueryKind(),
        SessionsQueryKind(),
        GroupsQueryKind(),
        ActorsQueryKind(),
        TrendsQueryKind(),
    )
}


def kind_of(query: dict[str, Any], depth: int = 0) -> tuple[Kind, dict[str, Any]]:
    """The kind of a query and the query itself, out of what the app wraps it in. Raises `QueryRefused`."""
    name = query.get("kind")
    if name is None:
        raise QueryRefused("This field is required.", code="required", attr="query__kind")
    if not isinstance(name, str):
        raise QueryRefused("Not a valid string.", attr="query__kind")
    if name in WRAPPERS and depth < WRAPPERS_DEPTH_MAX:
        source = query.get("source")
        if not isinstance(source, dict):
            raise QueryRefused("This field is required.", code="required", attr="query__source")
        return kind_of(source, depth + 1)
    if name in NOT_RUN:
        raise QueryRefused(f"Unsupported query kind: {name}")
    kind = KINDS.get(name)
    if kind is None:
        raise QueryRefused(f'Unknown query kind "{name[:100]}".', attr="query__kind")
    return kind, query
