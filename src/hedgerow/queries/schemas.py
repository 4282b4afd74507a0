"""What goes over the wire of the query endpoint (queries §1.1, §1.3)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Name = Annotated[str, msgspec.Meta(max_length=128)]
QueryId = Annotated[str, msgspec.Meta(min_length=1, max_length=400)]


class QueryRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of `POST /query/`. What it does not know, it refuses."""

    query: dict[str, Any]
    refresh: Any = None
    """A word of `refresh.MODES`; true is `force_blocking`; whatever else is `blocking`."""
    async_: bool | None = msgspec.field(default=None, name="async")
    client_query_id: QueryId | None = None
    filters_override: dict[str, Any] | None = None
    variables_override: dict[str, dict[str, Any]] | None = None
    name: Name | None = None
    limit_context: Literal["posthog_ai"] | None = None
    personal_api_key: Any = None
    """Where a key may stand instead of in a header; read before this."""


class UpgradeRequest(msgspec.Struct, frozen=True):
    """The body of `POST /query/upgrade/`."""

    query: dict[str, Any]


class RunFields(msgspec.Struct, kw_only=True):
    """What the runner adds to a kind's own fields."""

    is_cached: bool
    cache_key: str
    last_refresh: str
    next_allowed_client_refresh: str
    cache_target_age: str | None
    timezone: str
    calculation_trigger: str | None = None
    query_status: Any = None
    query_metadata: Any = None
    warnings: None = None
