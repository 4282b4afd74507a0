"""What a query can be refused with (queries §1.6), and which of ClickHouse's errors mean what.

    ApiError
    ├── QueryRefused        400 validation_error   the text, or what ClickHouse says about it
    ├── TooBusy             503 server_error       every place is taken, and enough wait already
    ├── TooManyAtOnce       429 throttled_error    this key alone has enough waiting
    ├── QueryTimeout        504 server_error
    ├── QueryOutOfMemory    504 server_error
    └── QueryFailed         500 server_error       a bug: the log has what ClickHouse said

ClickHouse's text goes out only where it speaks of the query. What it says about a value that it could not read may quote
a row that the project's guard had not yet taken away, so those errors have texts of their own.
"""

from __future__ import annotations

import re

import msgspec

from hedgerow.core.http import ApiError, ServiceUnavailable, Throttled, ValidationFailed
from hedgerow.core.storage.events import StoreError
from hedgerow.core.telemetry import log
from hedgerow.hogql.errors import HogQLError


class QueryRefused(ValidationFailed):
    """The query cannot be answered as it stands. `start` and `end` are character offsets in its text, if known."""

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        attr: str | None = None,
        start: int | None = None,
        end: int | None = None,
    ) -> None:
        """`detail` is fit for the person who wrote the query."""
        place = msgspec.UNSET if start is None else {"start": start, "end": end}
        super().__init__(detail, code=code, attr=attr, extra=place)


class TooBusy(ServiceUnavailable):
    """As many queries wait as the settings allow."""

    def __init__(self) -> None:
        """Come back in a few seconds."""
        super().__init__(
            "Queries are a little too busy right now. We're working to free up resources. Please try again later.",
            retry_after=5,
        )


class TooManyAtOnce(Throttled):
    """One key has as many queries waiting as it may."""

    def __init__(self, limit: int) -> None:
        """`limit` is how many may run at once."""
        super().__init__(1)
        self.detail = (
            f"Too many queries at once: {limit} of this key may run together, and enough are waiting. "
            "Wait until one has ended."
        )


class QueryTimeout(ApiError):  # noqa: N818 — like its siblings in `core.http`
    """It ran for as long as it may."""

    status = 504
    code = "timeout_exceeded"
    detail = (
        "Query has hit the max execution time before completing. "
        "See our docs for how to improve your query performance. You may need to materialize."
    )


class QueryOutOfMemory(ApiError):  # noqa: N818 — like its siblings in `core.http`
    """It took as much memory as it may."""

    status = 504
    code = "memory_limit_exceeded"
    detail = (
        "Query has reached the max memory limit before completing. "
        "See our docs for how to improve your query memory footprint. You may need to narrow date range or materialize."
    )


class QueryFailed(ApiError):  # noqa: N818 — like its siblings in `core.http`
    """ClickHouse refused what this server wrote."""

    status = 500
    detail = "ClickHouse error while executing query."


class ClientGone(ApiError):  # noqa: N818 — like its siblings in `core.http`
    """Whoever asked is no longer there: nobody reads this."""

    status = 499
    code = "client_gone"
    detail = "The client closed the connection."


DETAIL_CHARACTERS_MAX = 1_000
TIMEOUT = {"TIMEOUT_EXCEEDED", "TOO_SLOW"}
MEMORY = {"MEMORY_LIMIT_EXCEEDED", "CANNOT_ALLOCATE_MEMORY"}
BUSY = {"TOO_MANY_SIMULTANEOUS_QUERIES"}
TOO_MUCH = {"TOO_MANY_ROWS_OR_BYTES", "TOO_MANY_ROWS", "TOO_MANY_BYTES", "SET_SIZE_LIMIT_EXCEEDED"}
TOO_COMPLEX = {
    "TOO_DEEP_AST", "TOO_BIG_AST", "TOO_DEEP_RECURSION", "TOO_DEEP_SUBQUERIES", "TOO_DEEP_PIPELINE", "TOO_MANY_COLUMNS",
    "TOO_SLOW_PARSING", "TOO_MANY_TEMPORARY_COLUMNS", "TOO_MANY_TEMPORARY_NON_CONST_COLUMNS", "QUERY_IS_TOO_LARGE",
    "TOO_MANY_QUERY_PLAN_OPTIMIZATIONS",
}  # fmt: skip
ABOUT_THE_QUERY = {
    "AMBIGUOUS_COLUMN_NAME", "AMBIGUOUS_IDENTIFIER", "ARGUMENT_OUT_OF_BOUND", "BAD_ARGUMENTS", "BAD_GET",
    "BAD_TYPE_OF_FIELD", "CANNOT_COMPILE_REGEXP", "CANNOT_CONVERT_TYPE", "CYCLIC_ALIASES", "DECIMAL_OVERFLOW", "DEPRECATED_FUNCTION",
    "EMPTY_DATA_PASSED", "EXPECTED_ALL_OR_ANY", "ILLEGAL_AGGREGATION", "ILLEGAL_COLUMN", "ILLEGAL_DIVISION",
    "ILLEGAL_FINAL", "ILLEGAL_INDEX", "ILLEGAL_SYNTAX_FOR_DATA_TYPE", "ILLEGAL_TYPE_OF_ARGUMENT", "ILLEGAL_TYPE_OF_COLUMN_FOR_FILTER",
    "INCOMPATIBLE_TYPE_OF_JOIN", "INCORRECT_QUERY", "INCORRECT_RESULT_OF_SCALAR_SUBQUERY", "INTERSECT_OR_EXCEPT_RESULT_STRUCTURES_MISMATCH",
    "INVALID_JOIN_ON_EXPRESSION", "INVALID_LIMIT_EXPRESSION", "INVALID_REGEXP_GROUP", "INVALID_WITH_FILL_EXPRESSION",
    "LIMIT_EXCEEDED", "MULTIPLE_EXPRESSIONS_FOR_ALIAS", "NO_COMMON_TYPE", "NOT_AN_AGGREGATE",
    "NOT_IMPLEMENTED", "NUMBER_OF_ARGUMENTS_DOESNT_MATCH", "NUMBER_OF_COLUMNS_DOESNT_MATCH", "NUMBER_OF_DIMENSIONS_MISMATCHED",
    "PARAMETER_OUT_OF_BOUND", "SIZES_OF_ARRAYS_DONT_MATCH", "SIZES_OF_COLUMNS_DOESNT_MATCH", "SAMPLING_NOT_SUPPORTED",
    "SUPPORT_IS_DISABLED",
    "TOO_FEW_ARGUMENTS_FOR_FUNCTION", "TOO_LARGE_ARRAY_SIZE", "TOO_LARGE_STRING_SIZE", "TOO_MANY_ARGUMENTS_FOR_FUNCTION",
    "TUPLE_INDEX_OUT_OF_BOUNDS", "TYPE_MISMATCH", "UNEXPECTED_EXPRESSION", "UNION_ALL_RESULT_STRUCTURES_MISMATCH",
    "UNKNOWN_AGGREGATE_FUNCTION", "UNKNOWN_FUNCTION", "UNKNOWN_TABLE", "UNKNOWN_TYPE", "UNSUPPORTED_METHOD",
    "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE", "WITH_TIES_WITHOUT_ORDER_BY", "WRONG_ARGUMENT", "ZERO_ARRAY_OR_TUPLE_INDEX",
}  # fmt: skip
"""Names of errors that the writer of a query causes, with texts that speak of the query."""
ABOUT_A_VALUE = {
    "BAD_QUERY_PARAMETER": "A value cannot be read as the wanted type.",
    "CANNOT_NORMALIZE_STRING": "A text is not valid UTF-8.",
    "CANNOT_PARSE_UUID": "A text cannot be read as a UUID.",
    "CANNOT_PARSE_BOOL": "A text cannot be read as a boolean.",
    "CANNOT_PARSE_DATE": "A text cannot be read as a date.",
    "CANNOT_PARSE_DATETIME": "A text cannot be read as a moment.",
    "CANNOT_PARSE_NUMBER": "A text cannot be read as a number.",
    "CANNOT_PARSE_TEXT": "A text cannot be read as the wanted type.",
    "CANNOT_PARSE_ESCAPE_SEQUENCE": "A text holds an escape sequence that cannot be read.",
    "CANNOT_PARSE_QUOTED_STRING": "A quoted text cannot be read.",
    "CANNOT_PARSE_INPUT_ASSERTION_FAILED": "A text cannot be read as the wanted type.",
    "CANNOT_PARSE_IPV4": "A text cannot be read as an IPv4 address.",
    "CANNOT_PARSE_IPV6": "A text cannot be read as an IPv6 address.",
    "CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING": "A text cannot be read as the wanted type.",
    "CANNOT_READ_ARRAY_FROM_TEXT": "A text cannot be read as an array.",
    "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN": "A value is NULL where none is allowed.",
    "ATTEMPT_TO_READ_AFTER_EOF": "A text ends before the wanted value does.",
    "INCORRECT_DATA": "A value cannot be read as the wanted type.",
    "UNEXPECTED_DATA_AFTER_PARSED_VALUE": "A text goes on after the wanted value.",
    "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO": "The condition of throwIf holds.",
    "UNKNOWN_ELEMENT_OF_ENUM": "A value is none of the enum's.",
}
"""Errors that a value of some row causes: the text must not quote it."""

NOT_PLANNED = {"LOGICAL_ERROR", "NOT_FOUND_COLUMN_IN_BLOCK", "THERE_IS_NO_COLUMN", "UNKNOWN_IDENTIFIER"}
"""What ClickHouse's planner says of some combinations of joins, subqueries and sets, though the text is a valid one."""

_TOO_LONG = "Max query size exceeded"
"""The SQL that a text became is longer than ClickHouse reads; it calls that a syntax error."""
_IN_SCOPE = re.compile(r"[:.]? (?:In scope |In query |While processing |While executing )", re.IGNORECASE)
"""From here on ClickHouse quotes the SQL that this server wrote."""


def from_hogql(error: HogQLError) -> QueryRefused:
    """A text that does not compile."""
    return QueryRefused(_short(error.message), start=error.start, end=error.end)


def _short(text: str) -> str:
    """A name in the query may be a megabyte long: nobody wants it back."""
    return text if len(text) <= DETAIL_CHARACTERS_MAX else text[: DETAIL_CHARACTERS_MAX - 1] + "…"


def from_store(error: StoreError) -> ApiError:
    """What ClickHouse said, as this API says it."""
    name, code = error.name, error.name.lower()
    if name in TIMEOUT:
        return QueryTimeout()
    if name in MEMORY:
        return QueryOutOfMemory()
    if name in BUSY:
        return TooBusy()
    if name == "QUERY_WAS_CANCELLED":
        return QueryRefused("Query was cancelled.", code=code)
    if name in TOO_MUCH:
        return QueryRefused(
            "This query reads or returns more data than the limit allows. "
            "Use a shorter date range, add filters, or add a LIMIT clause. Then run the query again.",
            code=code,
        )
    if name in TOO_COMPLEX or (name == "SYNTAX_ERROR" and error.message.startswith(_TOO_LONG)):
        return QueryRefused(
            "This query is too complex to run. Use fewer terms, or nest them less deeply. Then run the query again.",
            code=code,
        )
    if name in ABOUT_A_VALUE:
        return QueryRefused(ABOUT_A_VALUE[name], code=code)
    if name in ABOUT_THE_QUERY:
        return QueryRefused(_short(_IN_SCOPE.split(error.message, maxsplit=1)[0]), code=code)
    log("queries").error("clickhouse_error", code=error.code, name=name, text=error.message)
    if name in NOT_PLANNED:
        return QueryRefused(
            "ClickHouse cannot run this combination of clauses. Write the query with fewer joins or sets, or put a part of "
            "it into a subquery. Then run it again.",
            code=code,
        )
    return QueryFailed()
