"""`matchesAction(5)`: the action's condition over events, asked from the project (hogql §7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hedgerow.hogql import ast
from hedgerow.hogql.errors import QueryError

if TYPE_CHECKING:
    from hedgerow.hogql.resolve import Resolver


def actions(node: ast.Call, resolver: Resolver) -> Any:
    """The condition of the action that the call names."""
    if node.name != "matchesAction":
        return node
    argument = node.args[0] if len(node.args) == 1 else None
    key: Any = argument.value if isinstance(argument, ast.Constant) else None
    if isinstance(key, bool) or not isinstance(key, int | str):
        raise QueryError("action() takes exactly one string or integer argument", node.start, node.end)
    found = resolver.context.schema.action(key)
    if found and len(found) == 1:
        return resolver.expr(found[0].condition)
    if found:
        raise QueryError(f"Found multiple actions with name '{key}'", node.start, node.end)
    if isinstance(key, int):
        raise QueryError(f"Could not find action with ID {key}", node.start, node.end)
    raise QueryError(f"Could not find action with name '{key}'", node.start, node.end)
