"""What query nodes share: how they are read, and the fields that every one of them may have."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from hedgerow.core.http.wording import reworded
from hedgerow.queries.errors import QueryRefused
from hedgerow.queries.hogql_query import MODIFIERS, below_query, modifiers_of


class Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A node: what it does not know, it refuses. These fields are echoed, or only the app's."""

    kind: str
    modifiers: dict[str, Any] | None = None
    tags: dict[str, Any] | None = None
    version: float | None = None
    response: Any = None


N = TypeVar("N", bound=Node)


def read_node(query: dict[str, Any], kind: type[N]) -> N:
    """The node of a query. Raises `ValidationFailed` with the field that does not fit."""
    try:
        node = msgspec.convert(query, kind)
    except msgspec.ValidationError as error:
        raise below_query(reworded(error)) from None
    unknown = sorted((node.modifiers or {}).keys() - MODIFIERS)
    if unknown:
        raise QueryRefused(f"Object contains unknown field `{unknown[0]}`", attr="query__modifiers")
    modifiers_of(node.modifiers)
    return node
