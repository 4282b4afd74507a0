"""`x IN COHORT 5`: the people of a cohort, asked from the project (hogql §6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from hedgerow.hogql import ast
from hedgerow.hogql.errors import QueryError
from hedgerow.hogql.lowered import native
from hedgerow.hogql.types import BOOLEAN

if TYPE_CHECKING:
    from hedgerow.hogql.resolve import Resolver

T = TypeVar("T")
_OPERATORS = {"in cohort": "in", "not in cohort": "notIn"}


def cohorts(node: ast.CompareOperation, resolver: Resolver) -> Any:
    """The comparison as an IN over the cohort's people."""
    name = _OPERATORS.get(node.op)
    if name is None:
        return node
    right = node.right
    if not isinstance(right, ast.Constant):
        raise QueryError("IN COHORT only works with constant arguments", right.start, right.end)
    key: Any = right.value
    if isinstance(key, bool) or not isinstance(key, int | str):
        raise QueryError("cohort() takes exactly one string or integer argument", right.start, right.end)
    found = only(resolver.context.schema.cohort(key), "cohort", "a cohort", key, right)
    return native(name, node.left, resolver.subquery(found.people), type=BOOLEAN)


def only(found: Sequence[T] | None, kind: str, article: str, key: int | str, at: ast.Node) -> T:
    """The one thing of that id or name; errors as PostHog words them when there is none, or several."""
    if found and len(found) == 1:
        return found[0]
    if found:
        raise QueryError(f"Found multiple {kind}s with name '{key}'", at.start, at.end)
    if isinstance(key, int):
        raise QueryError(f"Could not find {kind} with ID {key}", at.start, at.end)
    raise QueryError(f"Could not find {article} with the name '{key}'", at.start, at.end)
