"""Conditions on a table that is joined for them alone: IN over its key, and no join.

`person.properties.plan = 'pro'` is `person_properties_id IN (SELECT id … WHERE plan = 'pro')`: half the cost of the join
(decision 3). A condition that rows without a partner pass (`!=`, `IS NULL`) is NOT IN of its opposite, so that they stay.
The join remains where anything else of the query needs it, and where that verdict cannot be read off the condition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hedgerow.hogql import ast
from hedgerow.hogql.lowered import Column, Native, Template, Wrapped, native
from hedgerow.hogql.rules.prewhere import conjuncts
from hedgerow.hogql.types import BOOLEAN
from hedgerow.hogql.walk import shallow

if TYPE_CHECKING:
    from hedgerow.hogql.scopes import JoinedSource, TableSource

_ORDER = ["equals", "notEquals", "less", "greater", "lessOrEquals", "greaterOrEquals"]
_COMPARISONS = frozenset([*_ORDER, "like", "notLike", "ilike", "notILike", "match", "not"])
_STRICT = frozenset(
    ["lower", "upper", "toString", "length", "domain", "path", "multiSearchAnyCaseInsensitive", "match"]
)


def by_key(source: TableSource, conditions: list[Any]) -> list[Any]:
    """The conditions, with those on a table that nothing else needs as conditions on its key."""
    conditions = [part for condition in conditions for part in conjuncts(condition)]
    for joined in source.lazily_joined():
        if joined.join_type != "LEFT ANY JOIN" or not joined.handed_out:
            continue
        own = [condition for condition in conditions if _tables(condition) == {joined.alias}]
        if not own or len({each for condition in own for each in _uses(condition, joined.alias)}) != joined.handed_out:
            continue
        verdicts = [_passes_without(condition) for condition in own]
        if None in verdicts:
            continue
        rest = [condition for condition in conditions if _tables(condition) != {joined.alias}]
        conditions = [*rest, _over_key(joined, own, stays=all(verdicts))]
        source.drop(joined)
    return conditions


def _over_key(joined: JoinedSource, own: list[Any], *, stays: bool) -> Any:
    """All conditions on the table as one on its key. Rows without a partner pass only if they pass every condition."""
    inside = [_inside(condition, joined) for condition in own]
    inner = inside[0] if len(inside) == 1 else native("and", *inside, type=BOOLEAN)
    if stays:
        inner = native("not", inner, type=BOOLEAN)
    key = joined.on.args[0]
    return native("notIn" if stays else "in", key, joined.keys_where(inner), type=BOOLEAN)


def _passes_without(node: Any) -> bool | None:
    """Whether a row without a partner passes: every column of the joined table is NULL then. None: cannot be said."""
    if not isinstance(node, Native):
        return None
    name, args = node.name, node.args
    if name == "ifNull" and isinstance(args[1], ast.Constant) and _is_null_without(args[0], _COMPARISONS):
        return bool(args[1].value)
    if name in {"isNull", "isNotNull"} and _is_null_without(args[0], frozenset()):
        return name == "isNull"
    if name in {"in", "notIn"} and _is_null_without(args[0], frozenset()) and _has_no_null(args[1]):
        return name == "notIn"
    if name == "not":
        inner = _passes_without(args[0])
        return None if inner is None else not inner
    if name in {"and", "or"}:
        each = [_passes_without(arg) for arg in args]
        if None in each:
            return None
        return all(each) if name == "and" else any(each)
    return None


def _is_null_without(node: Any, functions: frozenset[str]) -> bool:
    """Whether the expression is NULL when the joined columns are: they go through functions that keep NULL only."""
    if isinstance(node, Column):
        return node.type.nullable
    if not isinstance(node, Native) or (node.name not in functions and node.name not in _STRICT):
        return False
    return any(_is_null_without(arg, functions) for arg in node.args)


def _has_no_null(node: Any) -> bool:
    if not isinstance(node, ast.Constant) or node.value is None:
        return False
    return not isinstance(node.value, list | tuple) or None not in node.value


def _parts(node: Any) -> list[Any]:
    if isinstance(node, Wrapped):
        return [node.full]
    return node.args if isinstance(node, Native | Template) else []


def _tables(node: Any) -> set[str]:
    """The aliases of the tables that a condition reads; a part that is neither a call nor a value spoils it."""
    if isinstance(node, Column):
        return {node.table}
    if isinstance(node, ast.Constant):
        return set()
    if not isinstance(node, Native | Template | Wrapped):
        return {""}
    return {table for part in _parts(node) for table in _tables(part)}


def _uses(node: Any, alias: str) -> list[int]:
    """The columns of a table in a condition, each as itself: one that is written twice is still one."""
    if isinstance(node, Column):
        return [id(node)] if node.table == alias else []
    return [use for part in _parts(node) for use in _uses(part, alias)]


def _inside(node: Any, joined: JoinedSource) -> Any:
    """The condition as it reads inside of the joined table's own SELECT."""
    if isinstance(node, Column):
        return joined.expression_of(node.name)
    if isinstance(node, Wrapped):
        return _inside(node.full, joined)
    if not isinstance(node, Native | Template):
        return node
    copy = shallow(node)
    copy.args = [_inside(arg, joined) for arg in node.args]
    return copy
