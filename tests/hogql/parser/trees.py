"""Trees in a form that a test can show."""

from __future__ import annotations

from hedgerow.hogql import ast
from hedgerow.hogql.walk import clone, walk


def bare(node: ast.Node) -> str:
    """The tree as text, without positions."""
    copy = clone(node)
    for each in walk(copy):
        each.start = each.end = None
    return repr(copy)
