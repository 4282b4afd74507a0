"""`person_id` is the person whom the event's distinct id belongs to now (hogql §5, §11).

An event is stored with the person known when it came. When a distinct id moves to another person, `person_overrides`
gets a row; it is joined only for projects that have any, by the stored hash of the distinct id (decision 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hedgerow.hogql import ast
from hedgerow.hogql.database import LazyJoin
from hedgerow.hogql.lowered import Column, Template, template
from hedgerow.hogql.scopes import unresolved
from hedgerow.hogql.types import UUID

if TYPE_CHECKING:
    from hedgerow.hogql.resolve import Resolver
    from hedgerow.hogql.scopes import Chain, TableSource

_MOVED = LazyJoin("moved", "person_distinct_id_overrides", "distinct_id_hash", "distinct_id_hash")
_OR_STORED = template("if(equals({0}, 0), {1}, {2})")


def person_id(resolver: Resolver, source: TableSource, rest: Chain, at: ast.Node) -> Any:
    """The person's id, with overrides where there are some and the modifiers do not say otherwise."""
    if rest:
        raise unresolved(["person_id", *rest], rest[0], at)
    stored = Column(table=source.alias, name="person_id", type=UUID)
    mode = resolver.context.modifiers.persons_on_events_mode
    if mode == "person_id_no_override_properties_on_events" or not resolver.context.schema.has_person_overrides:
        return stored
    moved = source.lazy(_MOVED, at)
    return Template(pieces=_OR_STORED, args=[moved.on.args[1], stored, moved.field(["person_id"], at)], type=UUID)
