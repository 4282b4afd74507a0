"""Moments are shown, cut and compared in the project's time zone (hogql §6, "Timezone rule").

A stored moment is wrapped `toTimeZone(column, zone)`. Where it is only compared with another moment the wrap is taken
off again: the instants are the same, and the table's key can be used. Text that is compared with a moment is read as
project time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from hedgerow.hogql import ast
from hedgerow.hogql.lowered import Wrapped, bare, constant, native
from hedgerow.hogql.types import DATETIME

UTC_NAMES = frozenset({"UTC", "Etc/UTC", "Etc/GMT", "GMT"})
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?(?:Z|[+-]\d\d:?\d\d)?\Z",
)


def in_zone(expr: Any, zone: str) -> Any:
    """A stored moment, shown in `zone`; the columns are kept in UTC, so UTC needs nothing around them."""
    if zone in UTC_NAMES:
        return expr
    full = native("toTimeZone", expr, constant(zone), type=expr.type)
    return Wrapped(bare=expr, full=full, why="zone", type=expr.type, label=expr.label, remark=expr.remark)


def read_moment(text: str, zone: str) -> datetime | None:
    """The instant that a text of the usual forms means in project time, in UTC; None for any other text."""
    if _MOMENT.match(text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(zone))
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None


def moment(instant: datetime) -> Any:
    """An instant as a ClickHouse value of six places."""
    text = instant.strftime("%Y-%m-%d %H:%M:%S.%f")
    return native("toDateTime64", constant(text), constant(6), constant("UTC"), type=DATETIME)


def align(left: Any, right: Any, zone: str) -> tuple[Any, Any]:
    """Both sides of a comparison as moments, when one of them is: without wraps, and text read as project time."""
    if _is_moment(left):
        return _aligned(left, right, zone)
    if _is_moment(right):
        right, left = _aligned(right, left, zone)
    return left, right


def _aligned(moments: Any, other: Any, zone: str) -> tuple[Any, Any]:
    if _is_moment(other):
        return bare(moments, "zone"), bare(other, "zone")
    if other.type.family == "Date":
        return bare(moments, "zone"), native("toDateTime64", other, constant(6), constant(zone), type=DATETIME)
    texts = _texts(other)
    if texts is None:
        return moments, other
    instants = [read_moment(text, zone) for text in texts]
    values = [moment(instant) for instant in instants if instant is not None]
    if len(values) < len(texts):
        return moments, other
    alone = isinstance(other.value, str)
    return bare(moments, "zone"), values[0] if alone else native("tuple", *values)


def _texts(expr: Any) -> list[str] | None:
    """The strings of a constant or of a list of constants; None when there is anything else."""
    if not isinstance(expr, ast.Constant):
        return None
    value: Any = expr.value
    if isinstance(value, str):
        return [value]
    if isinstance(value, list | tuple) and value and all(isinstance(each, str) for each in value):
        return list(value)
    return None


def _is_moment(expr: Any) -> bool:
    return expr.type is not None and expr.type.family == "DateTime"
