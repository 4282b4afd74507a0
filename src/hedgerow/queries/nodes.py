"""What query nodes share: how they are read, and the fields that every one of them may have."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from hedgerow.core.http.wording import reworded
from hedgerow.queries.compiled import Compiled
from hedgerow.queries.errors import QueryRefused
from hedgerow.queries.freshness import Interval
from hedgerow.queries.hogql_query import MODIFIERS, below_query, modifiers_of
from hedgerow.queries.run import LARGE_ANSWER_BYTES, Answered, Run
from hedgerow.queries.selection import Selected


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


class RowFields(
    msgspec.Struct, kw_only=True, omit_defaults=True, rename={"has_more": "hasMore", "cursor": "nextCursor"}
):
    """Fields of the response of a row kind, beside `results`."""

    columns: list[str]
    types: list[str]
    hogql: str
    has_more: bool
    limit: int
    offset: int
    timings: list[dict[str, Any]]
    modifiers: dict[str, Any]
    cursor: str | None = None


F = TypeVar("F", bound=RowFields)


def row_fields(  # noqa: PLR0917 — made of what every row kind has
    fields: type[F],
    columns: Sequence[Selected],
    answered: Answered,
    compiled: Compiled,
    node: Node,
    page: tuple[int, int],
    run: Run,
    **more: Any,
) -> F:
    """The fields of a response; `page` is limit and offset."""
    return fields(
        columns=[each.text for each in columns],
        types=answered.types[: len(columns)],
        hogql=compiled.query.hogql,
        has_more=answered.has_more,
        limit=page[0],
        offset=page[1],
        timings=run.timings,
        modifiers=node.modifiers or {},
        **more,
    )


class NodeKind(Generic[N]):
    """What most kinds do alike. See `registry.Kind`."""

    name: str
    node: type[N]
    refresh_seconds = 60
    is_plain = False

    def read(self, query: dict[str, Any]) -> N:
        """The node. Raises `ValidationFailed` with the field that does not fit."""
        node = read_node(query, self.node)
        self.check(node)
        return node

    def check(self, node: N) -> None:
        """Raise `QueryRefused` for what the fields alone do not tell."""

    def overridden(self, node: N, filters: dict[str, Any] | None, variables: dict[str, dict[str, Any]] | None) -> N:
        """Nothing is laid over it."""
        del filters, variables
        return node

    def interval(self, node: N) -> Interval | None:
        """It counts as one by day."""
        del node
        return "day"


Cells = list[list[msgspec.Raw]]
"""Rows whose cells are still JSON."""
_CELLS = msgspec.json.Decoder(Cells)


async def cells_of(parts: Sequence[bytes]) -> tuple[Callable[..., Awaitable[Any]], Cells]:
    """The rows of an answer, and how to work on them: a caller of functions, in a thread where there are many."""
    body = b"".join(parts)
    aside: Callable[..., Awaitable[Any]] = asyncio.to_thread if len(body) > LARGE_ANSWER_BYTES else _here
    return aside, await aside(_CELLS.decode, body)


async def _here(work: Callable[..., Any], *arguments: Any) -> Any:
    return work(*arguments)
