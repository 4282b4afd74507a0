"""Functions of days and moments that depend on their argument's type or on the project (hogql §6, §7)."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

from hedgerow.hogql import ast
from hedgerow.hogql.errors import QueryError
from hedgerow.hogql.lowered import Native, Template, bare, constant, native, template
from hedgerow.hogql.types import DATE, DATETIME, INTEGER, STRING

if TYPE_CHECKING:
    from hedgerow.hogql.resolve import Resolver

_PLACES = 6
_DAY_OR_SECOND = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?\Z")
_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z")
_FIRST_DAY = date(1970, 1, 1)
_FRACTION = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,9}\Z")
_PARTS = {
    "year": "toYear",
    "quarter": "toQuarter",
    "month": "toMonth",
    "week": "toISOWeek",
    "day": "toDayOfMonth",
    "dow": "toDayOfWeek",
    "doy": "toDayOfYear",
    "hour": "toHour",
    "minute": "toMinute",
    "second": "toSecond",
    "epoch": "toUnixTimestamp",
}
_UNITS = {
    unit: f"toInterval{unit.capitalize()}"
    for unit in ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
}
_TRUNCATIONS = {
    "minute": "toStartOfMinute",
    "hour": "toStartOfHour",
    "day": "toStartOfDay",
    "week": "toMonday",
    "month": "toStartOfMonth",
    "quarter": "toStartOfQuarter",
    "year": "toStartOfYear",
}
_DAY_UNITS = frozenset({"week", "month", "quarter", "year"})
_INTERVALS = ("Year", "Month", "Day", "Hour", "Minute", "Second")
MONDAY_MODE, SUNDAY_MODE = 3, 0


def _zone(node: ast.Call, resolver: Resolver, place: int = 1) -> Any:
    """The zone that the call names, or the project's."""
    return node.args[place] if len(node.args) > place else constant(resolver.zone)


def _text(value: Any) -> Any:
    return (
        value if value.type.family == "String" else native("toString", value, type=STRING.or_null(value.type.nullable))
    )


def to_datetime(node: ast.Call, resolver: Resolver) -> Any:
    """`toDateTime`: constants are read strictly, columns of text leave NULL where they cannot be read."""
    value: Any = node.args[0]
    zone = _zone(node, resolver)
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        if _FRACTION.match(value.value):
            return native("toDateTime64", value, constant(_PLACES), zone, type=DATETIME)
        if _DAY_OR_SECOND.match(value.value):
            return native("toDateTime", value, zone, type=DATETIME)
        return native("parseDateTime64BestEffort", value, constant(_PLACES), zone, type=DATETIME)
    if value.type.family in {"DateTime", "Date", "Integer"}:
        return native("toDateTime", bare(value, "zone"), zone, type=DATETIME.or_null(value.type.nullable))
    return _best_effort("parseDateTime64BestEffortOrNull", value, zone)


def _best_effort(name: str, value: Any, zone: Any) -> Any:
    return native(name, _text(value), constant(_PLACES), zone, type=DATETIME.or_null())


def to_datetime64(node: ast.Call, resolver: Resolver) -> Any:
    """`toDateTime64(x[, places[, zone]])`."""
    places = node.args[1] if len(node.args) > 1 else constant(_PLACES)
    kind = DATETIME.or_null(node.args[0].type.nullable)
    return native("toDateTime64", node.args[0], places, _zone(node, resolver, 2), type=kind)


def best_effort(node: ast.Call, resolver: Resolver) -> Any:
    """A text in any usual form as a moment, NULL when it cannot be read."""
    return _best_effort("parseDateTime64BestEffortOrNull", node.args[0], _zone(node, resolver))


def best_effort_us(node: ast.Call, resolver: Resolver) -> Any:
    """The same with the month first."""
    return _best_effort("parseDateTime64BestEffortUSOrNull", node.args[0], _zone(node, resolver))


def parse_datetime(node: ast.Call, resolver: Resolver) -> Any:
    """`parseDateTime(text, format[, zone])`, NULL when it cannot be read."""
    zone = _zone(node, resolver, 2)
    return native("parseDateTimeOrNull", node.args[0], node.args[1], zone, type=DATETIME.or_null())


def to_date(node: ast.Call, _resolver: Resolver) -> Any:
    """A day: of a moment in its zone, of text where it can be read."""
    value: Any = node.args[0]
    if value.type.family in {"DateTime", "Date", "Integer"}:
        return native("toDate", value, type=DATE.or_null(value.type.nullable))
    if isinstance(value, ast.Constant) and _is_day(value.value):
        return native("toDate", value, type=DATE)
    return native("toDateOrNull", _text(value), type=DATE.or_null())


def _is_day(value: Any) -> bool:
    try:
        return isinstance(value, str) and _DAY.match(value) is not None and date.fromisoformat(value) >= _FIRST_DAY
    except ValueError:
        return False


def to_time_zone(node: ast.Call, resolver: Resolver) -> Any:
    """A moment shown in another zone."""
    value = bare(node.args[0], "zone")
    return native("toTimeZone", value, _zone(node, resolver), type=DATETIME.or_null(value.type.nullable))


def now(node: ast.Call, resolver: Resolver) -> Any:
    """This moment, in project time."""
    return native("now64", constant(_PLACES), _zone(node, resolver, 0), type=DATETIME)


def to_timestamp(node: ast.Call, resolver: Resolver) -> Any:
    """Unix seconds as a moment."""
    value = node.args[0]
    moment = native("fromUnixTimestamp", value)
    return native("toDateTime", moment, constant(resolver.zone), type=DATETIME.or_null(value.type.nullable))


def to_start_of_week(node: ast.Call, resolver: Resolver) -> Any:
    """The first day of the week: the project's, where the call does not say."""
    mode = MONDAY_MODE if resolver.context.schema.week_start_day == 1 else SUNDAY_MODE
    chosen = node.args[1] if len(node.args) > 1 else constant(mode)
    return native("toStartOfWeek", node.args[0], chosen, type=DATE.or_null(node.args[0].type.nullable))


def date_trunc(node: ast.Call, _resolver: Resolver) -> Any:
    """`date_trunc('month', x[, zone])` as the function that cuts so; weeks begin on Monday."""
    unit = _constant_text(node.args[0])
    name = _TRUNCATIONS.get(unit or "")
    if name is None or node.args[1].type.family not in {"DateTime", "Date"}:
        return native("dateTrunc", *node.args)
    value: Any = node.args[1]
    if len(node.args) > 2:
        value = native("toTimeZone", bare(value, "zone"), node.args[2], type=value.type)
    kind = DATE if unit in _DAY_UNITS else DATETIME
    return native(name, value, type=kind.or_null(value.type.nullable))


def date_part(node: ast.Call, _resolver: Resolver) -> Any:
    """`date_part('hour', x)`."""
    unit = _constant_text(node.args[0])
    name = _PARTS.get(unit or "")
    if name is None:
        raise QueryError(f"date_part: unknown unit {unit!r}", node.start, node.end)
    return native(name, node.args[1], type=INTEGER.or_null(node.args[1].type.nullable))


def add_interval(node: ast.Call, _resolver: Resolver) -> Any:
    """`dateAdd(x, INTERVAL 1 DAY)`, `dateAdd('day', 1, x)` and their like."""
    operator = "minus" if "sub" in node.name.lower() else "plus"
    value: Any
    interval: Any
    if len(node.args) == 2:
        value, interval = node.args
        if interval.type.family == "DateTime":
            value, interval = interval, value
    else:
        unit = _constant_text(node.args[0])
        name = _UNITS.get((unit or "").rstrip("s"))
        if name is None:
            raise QueryError(f"{node.name}: unknown unit {unit!r}", node.start, node.end)
        value, interval = node.args[2], native(name, node.args[1])
    kind = value.type if value.type.family == "DateTime" else None
    return Native(name=operator, args=[value, interval], type=kind)


def make_interval(node: ast.Call, _resolver: Resolver) -> Any:
    """`make_interval(years, months, days, hours, minutes, seconds)`."""
    return native(
        "tuple", *(native(f"toInterval{unit}", each) for unit, each in zip(_INTERVALS, node.args, strict=True))
    )


_AS_UTC = template("toDateTime({0}, 'UTC')")


def time_window(node: ast.Call, _resolver: Resolver) -> Any:
    """`tumble` and `hop`, and their starts and ends: over a moment, or over the window that they gave."""
    args: list[Any] = list(node.args)
    if len(args) > 1:
        args[0] = Template(pieces=_AS_UTC, args=[args[0]], type=DATETIME)
    return Native(name=node.name, args=args)


def _constant_text(value: Any) -> str | None:
    return value.value.lower() if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


SPECIAL = {
    "to_datetime": to_datetime,
    "to_datetime64": to_datetime64,
    "best_effort": best_effort,
    "best_effort_us": best_effort_us,
    "parse_datetime": parse_datetime,
    "to_date": to_date,
    "to_time_zone": to_time_zone,
    "now": now,
    "to_timestamp": to_timestamp,
    "to_start_of_week": to_start_of_week,
    "date_trunc": date_trunc,
    "date_part": date_part,
    "add_interval": add_interval,
    "make_interval": make_interval,
    "time_window": time_window,
}
