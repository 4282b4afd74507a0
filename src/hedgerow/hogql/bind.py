"""Values in ClickHouse SQL: bound parameters, and the few literals that cannot be anything else.

Numbers, booleans and NULL are written as literals, because their width decides the types of results (`1` is a UInt8);
they cannot be anything but digits. Every string, and everything that holds one, is a bound parameter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, cast
from uuid import UUID

from hedgerow.hogql.errors import QueryError
from hedgerow.hogql.types import ValueType

TEAM = "team"
"""The parameter that every guard compares with."""
MOST_NODES = 1_000_000
INLINE_VALUES = 20
"""An IN list up to here is written value by value."""
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_INT64 = range(-(2**63), 2**63)


class Values:
    """Collects the parameters of one query while its values are printed."""

    def __init__(self, team_id: int) -> None:
        self.team_id = team_id
        self.parameters: dict[str, object] = {TEAM: team_id}
        self._bound: dict[tuple[str, object], str] = {}
        self._nodes = 0

    def count(self, nodes: int) -> None:
        """Count what is printed, so that no query grows without end."""
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            raise QueryError("This query is too large.")

    def bind(self, value: object, kind: str) -> str:
        """A bound parameter; equal values share one."""
        key = (kind, tuple(value) if isinstance(value, list) else value)
        name = self._bound.get(key)
        if name is None:
            name = f"v{len(self._bound)}"
            self._bound[key] = name
            self.parameters[name] = value
        return f"{{{name}:{kind}}}"

    def value(self, value: Any) -> str:
        """A Python value as ClickHouse text."""
        if isinstance(value, str):
            return self.bind(value, "String")
        if value is None:
            return "NULL"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return str(value) if value >= 0 else f"({value})"
        if isinstance(value, float):
            return _float(value)
        if isinstance(value, list | tuple):
            return self.values(value, "[" if isinstance(value, list) else "tuple(")
        if isinstance(value, datetime):
            moment = value.astimezone(UTC) if value.tzinfo is not None else value
            return f"toDateTime64({self.bind(moment.strftime('%Y-%m-%d %H:%M:%S.%f'), 'String')}, 6, 'UTC')"
        if isinstance(value, date):
            return f"toDate({self.bind(value.isoformat(), 'String')})"
        if isinstance(value, UUID):
            return f"toUUID({self.bind(str(value), 'String')})"
        if isinstance(value, dict):
            pairs = [part for pair in value.items() for part in map(self.value, pair)]
            return f"map({', '.join(pairs)})"
        raise QueryError(f"A value of type {type(value).__name__} cannot be used in a query")

    def values(self, values: Sequence[Any], opening: str) -> str:
        """An array (`[`) or a tuple (`tuple(`)."""
        if opening == "[" and values and all(isinstance(value, str) for value in values):
            return self.bind([*values], "Array(String)")
        self.count(len(values))
        return opening + ", ".join(map(self.value, values)) + ("]" if opening == "[" else ")")

    def members(self, values: list[Any], of: ValueType) -> str:
        """The constants of an IN: long lists of one kind are one bound array, which is read ten times as fast.

        Short ones are written one by one: ClickHouse then reads each as the left side's type (a day, an enum).
        """
        solid = [value for value in values if value is not None]
        kind = _kind_of(solid, of)
        if kind is None or (len(values) <= INLINE_VALUES and kind != "UUID"):
            return self.values(values, "tuple(")
        if len(solid) < len(values):
            if kind.startswith("Tuple"):
                return self.values(values, "tuple(")
            kind = f"Nullable({kind})"
        return self.bind(values, f"Array({kind})")


def _kind_of(values: list[Any], of: ValueType) -> str | None:
    """The ClickHouse type that all values of an IN have; None when there is not one."""
    if not values:
        return None
    if all(isinstance(value, str) for value in values):
        return "UUID" if of.family == "UUID" and all(map(_UUID.match, values)) else "String"
    if all(type(value) is int and value in _INT64 for value in values):
        return "Int64"
    width = len(values[0]) if isinstance(values[0], tuple) else 0
    if width and all(
        isinstance(value, tuple)
        and len(cast("tuple[Any]", value)) == width
        and all(isinstance(part, str) for part in cast("tuple[Any]", value))
        for value in values
    ):
        return f"Tuple({', '.join(['String'] * width)})"
    return None


def _float(value: float) -> str:
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "(-inf)"
    return repr(value) if value >= 0 else f"({value!r})"
