"""Rows in bulk: CSV, JSON lines, Arrow and Parquet, written by ClickHouse and passed on block by block.

An export has no implicit limit and none on the size of its answer; `query_export_max_rows` and `query_export_max_seconds`
hold it instead. Sorting and grouping that outgrow the memory of a query go to disk. Memory here stays that of a few blocks,
whatever the number of rows: while the client does not read, ClickHouse waits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final, Protocol, runtime_checkable

import msgspec
from litestar.datastructures.headers import Accept

from hedgerow.core.http import ValidationFailed
from hedgerow.hogql import CompiledQuery
from hedgerow.queries import rows
from hedgerow.queries.errors import QueryRefused
from hedgerow.queries.run import Run

DEFAULT: Final = "json"
FIRST_BYTES: Final = 1 << 16
"""So much is waited for before the answer begins: names of columns are written even where the first row then fails."""
ROW_GROUP_ROWS: Final = 65_536


class Format(msgspec.Struct, frozen=True):
    """A way to write rows."""

    name: str
    """As in `?format=`."""
    clickhouse: str
    media_type: str
    is_text: bool
    """Whether moments are written as text."""


FORMATS: Final = {
    each.name: each
    for each in (
        Format("csv", "CSVWithNames", "text/csv", is_text=True),
        Format("jsonl", "JSONEachRow", "application/x-ndjson", is_text=True),
        Format("arrow", "ArrowStream", "application/vnd.apache.arrow.stream", is_text=False),
        Format("parquet", "Parquet", "application/vnd.apache.parquet", is_text=False),
    )
}
_BY_MEDIA_TYPE: Final = {each.media_type: each for each in FORMATS.values()}
_OFFERED: Final = ["application/json", *_BY_MEDIA_TYPE]
SETTINGS: Final[dict[str, object]] = {
    **rows.SETTINGS,
    "format_csv_null_representation": "",
    "output_format_json_named_tuples_as_objects": 1,
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_low_cardinality_as_dictionary": 0,
    "output_format_parquet_string_as_string": 1,
    "output_format_parquet_row_group_size": ROW_GROUP_ROWS,
    "output_format_parquet_compression_method": "snappy",
    "output_format_parquet_write_bloom_filter": 0,
    "output_format_parquet_parallel_encoding": 0,
}


def format_of(wanted: str | None, accept: str) -> Format | None:
    """The format that a request asks for by `?format=` or else by `Accept`; None is JSON, as ever.

    Raises `ValidationFailed` for a word that is no format. An `Accept` that names none of them means JSON.
    """
    if wanted is not None:
        if wanted != DEFAULT and wanted not in FORMATS:
            known = ", ".join((DEFAULT, *FORMATS))
            raise ValidationFailed(f'"{wanted[:100]}" is not a valid choice: {known}.', attr="format")
        return FORMATS.get(wanted)
    best = Accept(accept).best_match(_OFFERED) if accept else None
    return _BY_MEDIA_TYPE.get(best or "")


@runtime_checkable
class Exportable(Protocol):
    """A kind whose rows can be had in bulk."""

    async def whole(self, node: Any, run: Run, rows_max: int) -> CompiledQuery:
        """The query without an implicit limit. Raises an ApiError."""
        ...


class Export:
    """One export on its way. The first bytes are there: whatever can go wrong has mostly gone wrong by then."""

    def __init__(self, fmt: Format, query_id: str, first: bytes, rest: AsyncGenerator[bytes]) -> None:
        """`query_id` is what its progress is asked for by."""
        self.format = fmt
        self.query_id = query_id
        self._first = first
        self._rest = rest

    async def blocks(self) -> AsyncGenerator[bytes]:
        """The bytes. Raises an ApiError where ClickHouse fails on the way."""
        yield self._first
        async for block in self._rest:
            yield block


@asynccontextmanager
async def opened(run: Run, query: CompiledQuery, fmt: Format, query_id: str) -> AsyncGenerator[Export]:
    """The export of a compiled query. It ends with the block, however that ends. Raises an ApiError."""
    repeated = [name for name, times in Counter(query.columns).items() if times > 1]
    if repeated:
        raise QueryRefused(f"Two columns are called `{repeated[0][:100]}`. Give one of them an alias.")
    rest = run.stream(_as_written(query, await run.columns(query), fmt), query, fmt.clickhouse, SETTINGS)
    async with aclosing(rest):
        first = bytearray()
        async for block in rest:
            first += block
            if len(first) >= FIRST_BYTES:
                break
        yield Export(fmt, query_id, bytes(first), rest)


def _as_written(query: CompiledQuery, columns: Sequence[tuple[str, str]], fmt: Format) -> str:
    """The query with its columns called as people call them, and with values as the format's readers expect them."""
    outputs = [
        f"{_value(rows.quoted(inner), kind, fmt)} AS {rows.quoted(name)}"
        for name, (inner, kind) in zip(query.columns, columns, strict=True)
    ]
    return f"SELECT {', '.join(outputs)} FROM ({query.sql})"


def _value(column: str, kind: str, fmt: Format) -> str:
    if fmt.is_text:
        return rows.moment_in_sql(column, kind) or column
    return f"toString({column})" if kind in {"UUID", "Nullable(UUID)"} else column
