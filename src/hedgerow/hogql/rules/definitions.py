"""A property with a definition has its type: Numeric, Boolean and DateTime are cast when they are read (hogql §6).

Only a whole value is typed, `properties.a` and not `properties.a.b`. What does not fit becomes NULL, never an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hedgerow.hogql.lowered import Property, Template, Wrapped, constant, native, template
from hedgerow.hogql.rules.properties import read
from hedgerow.hogql.types import BOOLEAN, DATETIME, FLOAT, Owner

if TYPE_CHECKING:
    from hedgerow.hogql.resolve import Resolver

_TO_FLOAT = template("accurateCastOrNull({0}, 'Float64')")
_TO_BOOL = template("toBool(transform(toString({0}), ['true', 'false'], [1, 0], NULL))")


def _float(value: Any, _zone: str) -> Any:
    return Template(pieces=_TO_FLOAT, args=[value], type=FLOAT.or_null(), harmless=True)


def _bool(value: Any, _zone: str) -> Any:
    return Template(pieces=_TO_BOOL, args=[value], type=BOOLEAN.or_null(), harmless=True)


def _moment(value: Any, zone: str) -> Any:
    return native("parseDateTime64BestEffortOrNull", value, constant(6), constant(zone), type=DATETIME.or_null())


_CASTS: dict[str, Callable[[Any, str], Any]] = {"Numeric": _float, "Boolean": _bool, "DateTime": _moment}
_TITLES = {"Numeric": "Float", "Boolean": "Boolean", "DateTime": "DateTime"}


def definitions(node: Property, resolver: Resolver) -> Any:
    """The property with the cast of its definition around it; itself when it has none."""
    owner = node.type.owner
    kind = None if owner is None else _kind(resolver, owner, node.path, node.type.group_index)
    if owner is None or kind is None:
        return node
    value = read(resolver, node)
    full = _CASTS[kind](value, resolver.zone)
    remark = f"{owner.capitalize()} property '{node.path[0]}' is of type '{_TITLES[kind]}'."
    return Wrapped(bare=value, full=full, why="definition", type=full.type, remark=remark)


def cast(resolver: Resolver, owner: Owner, path: list[str | int], value: Any) -> Any:
    """A value that was read elsewhere, with the cast that the definition of a property at `path` asks for."""
    kind = _kind(resolver, owner, path, None)
    return value if kind is None else _CASTS[kind](value, resolver.zone)


def _kind(resolver: Resolver, owner: Owner, path: list[str | int], group_index: int | None) -> str | None:
    if len(path) != 1:
        return None
    kind = resolver.property_type(owner, str(path[0]), group_index)
    return kind if kind in _CASTS else None
