"""The rules: each gives one kind of node its ClickHouse form. One file a rule, in the order in which they are asked.

A rule is a function (node, resolver) → node. The resolver hands it a node whose children are resolved and lowered; what
it returns is handed to the rules after it, until none wants it. Field rules (`FIELDS`) answer for fields whose meaning
depends on the project or on modifiers: (resolver, source, rest of the chain, place in the text) → expression.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from hedgerow.hogql import ast
from hedgerow.hogql.lowered import Property
from hedgerow.hogql.rules.actions import actions
from hedgerow.hogql.rules.calls import calls
from hedgerow.hogql.rules.cohorts import cohorts
from hedgerow.hogql.rules.comparisons import comparisons
from hedgerow.hogql.rules.definitions import definitions
from hedgerow.hogql.rules.overrides import person_id
from hedgerow.hogql.rules.person_properties import person, person_properties_on_event
from hedgerow.hogql.rules.properties import properties
from hedgerow.hogql.rules.surveys import surveys

if TYPE_CHECKING:
    from hedgerow.hogql.resolve import Resolver
    from hedgerow.hogql.scopes import Chain, TableSource

NodeRule = Callable[[Any, "Resolver"], Any]
FieldRule = Callable[["Resolver", "TableSource", "Chain", ast.Node], Any]


class Rule(msgspec.Struct, frozen=True):
    """A rule and the kinds of node that it is asked about."""

    apply: NodeRule
    kinds: tuple[type[ast.Node], ...]


RULES: tuple[Rule, ...] = (
    Rule(cohorts, (ast.CompareOperation,)),
    Rule(comparisons, (ast.CompareOperation, ast.BetweenExpr, ast.IsDistinctFrom)),
    Rule(actions, (ast.Call,)),
    Rule(surveys, (ast.Call,)),
    Rule(calls, (ast.Call,)),
    Rule(definitions, (Property,)),
    Rule(properties, (Property,)),
)

FIELDS: dict[str, FieldRule] = {
    "person_id": person_id,
    "person": person,
    "person_properties_on_event": person_properties_on_event,
}


class Rules:
    """`RULES` by the kind of node."""

    def __init__(self, rules: tuple[Rule, ...] = RULES) -> None:
        self._by_kind: dict[type[ast.Node], list[tuple[int, NodeRule]]] = {}
        for place, rule in enumerate(rules):
            for kind in rule.kinds:
                self._by_kind.setdefault(kind, []).append((place, rule.apply))

    def apply(self, node: Any, resolver: Resolver) -> Any:
        """The node after every rule that wants it, each asked once."""
        asked = -1
        while True:
            for place, rule in self._by_kind.get(type(node), ()):
                if place <= asked:
                    continue
                asked = place
                answer = rule(node, resolver)
                if type(answer) is not type(node):
                    node = answer
                    break
                node = answer
            else:
                return node
