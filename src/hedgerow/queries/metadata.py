"""HogQLMetadata: what an editor shows beside a text: errors, notices, tables (queries §3.2, hogql §12)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from hedgerow.core.clock import ManualClock
from hedgerow.core.http.wording import reworded
from hedgerow.hogql import (
    CompiledQuery,
    HogQLContext,
    HogQLError,
    Modifiers,
    ProjectSchema,
    compile_select,
    parse_expr,
    parse_select,
)
from hedgerow.hogql.ast import SelectQuery
from hedgerow.queries.errors import QueryRefused
from hedgerow.queries.hogql_query import below_query, modifiers_of
from hedgerow.queries.placeholders import Filler, HogQLFilters, HogQLVariable
from hedgerow.queries.run import KindAnswer, Run

QUERY: Final = "hogQL"
EXPRESSION: Final = "hogQLExpr"
SOURCE: Final = "select * from events"
"""What an expression is over, when the editor does not say."""
_END: Final = "mismatched input '<EOF>' expecting"


class HogQLMetadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The node."""

    kind: str
    language: str
    query: str
    source_query: dict[str, Any] | None = msgspec.field(default=None, name="sourceQuery")
    globals: dict[str, Any] | None = None
    filters: HogQLFilters | None = None
    variables: dict[str, HogQLVariable] | None = None
    debug: bool | None = None
    modifiers: dict[str, Any] | None = None
    tags: dict[str, Any] | None = None
    version: float | None = None
    response: Any = None


class Remark(msgspec.Struct, frozen=True):
    """A message about a place in the text, in characters."""

    message: str
    start: int | None
    end: int | None
    fix: str | None = None


class HogQLMetadataFields(msgspec.Struct, kw_only=True, rename={"is_valid": "isValid", "using": "isUsingIndices"}):
    """The response."""

    query: str
    is_valid: bool
    using: str = "undecisive"
    errors: list[Remark]
    warnings: list[Remark] = []
    notices: list[Remark]
    table_names: list[str]
    ch_table_names: list[str]
    query_status: None = None


class _Check(msgspec.Struct, frozen=True):
    """All that checking a text needs beside the project's schema. Goes into a pickle."""

    text: str
    source: str | None
    filler: Filler
    modifiers: Modifiers
    now: datetime

    def __call__(self, schema: ProjectSchema) -> CompiledQuery:
        if self.source is None:
            tree = parse_select(self.text)
        else:
            around = parse_select(self.source)
            tree = SelectQuery(
                select=[parse_expr(self.text)],
                select_from=around.select_from if isinstance(around, SelectQuery) else None,
            )
        context = HogQLContext(schema=schema, modifiers=self.modifiers)
        return compile_select(self.filler.fill(tree, schema, ManualClock(self.now)), context)


class HogQLMetadataKind:
    """See `registry.Kind`."""

    name = "HogQLMetadata"
    refresh_seconds = 60
    is_plain = True

    def read(self, query: dict[str, Any]) -> HogQLMetadata:
        """The node. Raises `ValidationFailed` with the field that does not fit."""
        try:
            return msgspec.convert(query, HogQLMetadata)
        except msgspec.ValidationError as error:
            raise below_query(reworded(error)) from None

    def overridden(
        self, node: HogQLMetadata, filters: dict[str, Any] | None, variables: dict[str, dict[str, Any]] | None
    ) -> HogQLMetadata:
        """A text stays what it is."""
        del filters, variables
        return node

    def interval(self, node: HogQLMetadata) -> None:
        """Nothing of it is kept."""
        del node

    async def calculate(self, node: HogQLMetadata, run: Run) -> KindAnswer:
        """Compile the text, and say what came of it; a text that cannot be compiled is an answer too."""
        if node.language not in {QUERY, EXPRESSION}:
            raise QueryRefused(f"Unsupported language: {node.language[:100]}", attr="query__language")
        if len(node.query.encode(errors="replace")) > run.settings.query_max_text_bytes:
            raise QueryRefused("Query size exceeded.", code="query_size_exceeded", attr="query__query")
        source = None if node.language == QUERY else str((node.source_query or {}).get("query") or SOURCE)
        filler = Filler(node.globals, node.variables, node.filters, run.team.test_account_filters)
        check = _Check(node.query, source, filler, modifiers_of(node.modifiers), run.clock.now())
        found = await run.check(node.query, check)
        if isinstance(found, HogQLError):
            message = "Unexpected end of query" if found.message.startswith(_END) else found.message
            fields = HogQLMetadataFields(
                query=node.query,
                is_valid=False,
                errors=[Remark(message, found.start, found.end)],
                notices=[],
                table_names=[],
                ch_table_names=[],
            )
        else:
            query = found.query
            fields = HogQLMetadataFields(
                query=node.query,
                is_valid=True,
                errors=[],
                notices=[Remark(notice.message, notice.start, notice.end) for notice in query.notices],
                table_names=list(query.table_names),
                ch_table_names=sorted(query.tables),
            )
        return KindAnswer(None, fields, may_be_kept=False)
