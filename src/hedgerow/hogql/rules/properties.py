"""Where `properties.key` is read (hogql §6).

The tables keep properties twice: the text that came, and a map of key → raw JSON text; some keys have a column of their
own as well (`ProjectSchema.property_column`). A text that comes out of a subquery has no map beside it: JSON functions
read it. The value is the same whichever way it is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hedgerow.core.storage.schema.columns import VALUE_OF_RAW
from hedgerow.hogql.lowered import Column, Property, Template, constant, native, template
from hedgerow.hogql.types import STRING

if TYPE_CHECKING:
    from hedgerow.hogql.resolve import Resolver

_VALUE = STRING.or_null()
_OF_RAW = template(VALUE_OF_RAW.format(raw="{0}"))
_OF_MAP = template(VALUE_OF_RAW.format(raw="{0}[{1}]"))
_IN_MAP = template("{0}[{1}]")
_MAPPED_TABLES = frozenset({"events", "persons", "groups", "person_properties_versions"})


def properties(node: Property, resolver: Resolver) -> Any:
    """The expression that reads a property."""
    return read(resolver, node)


def read(resolver: Resolver, node: Property) -> Any:
    """The value at a path of a JSON text, as text; NULL for what is missing or null."""
    path, base = node.path, node.base
    key = path[0]
    if node.source not in _MAPPED_TABLES or not isinstance(base, Column) or not isinstance(key, str):
        return Template(pieces=_OF_RAW, args=[_raw(base, path)], type=_VALUE, harmless=True)
    if len(path) == 1:
        column = resolver.context.schema.property_column(key) if node.source == "events" else None
        if column is not None:
            return Column(table=base.table, name=column, type=_VALUE)
        return Template(pieces=_OF_MAP, args=[_map(base), constant(key)], type=_VALUE, harmless=True)
    outer = Template(pieces=_IN_MAP, args=[_map(base), constant(key)], type=STRING, harmless=True)
    return Template(pieces=_OF_RAW, args=[_raw(outer, path[1:])], type=_VALUE, harmless=True)


def raw_of(value: Template) -> Any:
    """The raw JSON value that a property's text is read from, as `read` made it; None for any other expression."""
    if value.pieces is _OF_RAW:
        return value.args[0]
    if value.pieces is _OF_MAP:
        return Template(pieces=_IN_MAP, args=value.args, type=STRING, harmless=True)
    return None


def _raw(text: Any, path: list[str | int]) -> Any:
    return native("JSONExtractRaw", text, *(constant(part) for part in path), type=STRING)


def _map(properties: Column) -> Column:
    return Column(table=properties.table, name="properties_map")
