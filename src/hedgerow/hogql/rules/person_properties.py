"""`person.…` on events: the person as they were at the event, or as they are now (hogql §5, §11).

By default `person.properties` are those that the event saw: `person_properties_id` is the key of a row of
`person_properties_versions`, which holds each state of a person's properties once; noisy values are the event's own
(`noisy_values`). The joined modes read `persons`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hedgerow.hogql import ast
from hedgerow.hogql.database import LazyJoin
from hedgerow.hogql.errors import QueryError
from hedgerow.hogql.rules.noisy_values import own_value, with_own_values

if TYPE_CHECKING:
    from hedgerow.hogql.resolve import Resolver
    from hedgerow.hogql.scopes import Chain, TableSource

_VERSION = LazyJoin("person_properties_version", "person_properties_versions", "person_properties_id", "id")
_PERSON = LazyJoin("joined_person", "persons", "person_id", "id")
_JOINED_MODES = frozenset({"disabled", "person_id_override_properties_joined"})
_ON_EVENT = frozenset({"created_at", "properties"})


def person(resolver: Resolver, source: TableSource, rest: Chain, at: ast.Node) -> Any:
    """A field of the event's person."""
    if not rest:
        raise QueryError("Can't select a table when a column is expected: person", at.start, at.end)
    name = str(rest[0])
    if name == "id":
        return source.field(["person_id", *rest[1:]], at)
    if name in _ON_EVENT and resolver.context.modifiers.persons_on_events_mode not in _JOINED_MODES:
        return source.field(["poe", *rest], at)
    return source.lazy(_PERSON, at).field(rest, at)


def person_properties_on_event(resolver: Resolver, source: TableSource, rest: Chain, at: ast.Node) -> Any:
    """The person's properties as they were at the event: the whole text, or one of them."""
    found = source.lazy(_VERSION, at).field(["properties", *rest], at)
    return own_value(resolver, source, found, rest) if rest else with_own_values(source, found)
