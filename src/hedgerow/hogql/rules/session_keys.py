"""A session that is asked for by its id is found by its key.

`session_id` is the text of the number that `raw_sessions` is sorted by. A comparison of the text reads every session of the
project; the same comparison of the number beside it reads those that can be meant. A text that is no UUID stands for no
session, as before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hedgerow.hogql import ast
from hedgerow.hogql.lowered import Column, Native, Template, native, template
from hedgerow.hogql.rules.prewhere import conjuncts
from hedgerow.hogql.sessions import SESSION_ID
from hedgerow.hogql.types import BOOLEAN, INTEGER

if TYPE_CHECKING:
    from hedgerow.hogql.scopes import TableSource

_TEXT = template(SESSION_ID)
_NUMBER = template("toUInt128(toUUIDOrZero({0}))")


def with_session_keys(source: TableSource, conditions: list[Any]) -> list[Any]:
    """The conditions, and for each on a session's id one on its key."""
    if source.table.clickhouse != "raw_sessions":
        return conditions
    key = Column(table=source.alias, name="session_id_v7", type=INTEGER)
    parts = [part for condition in conditions for part in conjuncts(condition)]
    return [*(found for part in parts if (found := _on_key(part, key)) is not None), *parts]


def _on_key(node: Any, key: Column) -> Any:
    if not isinstance(node, Native) or node.name != "equals":
        return None
    for text, value in (node.args, node.args[::-1]):
        is_id = isinstance(text, Template) and text.pieces == _TEXT
        if is_id and isinstance(value, ast.Constant) and isinstance(value.value, str):
            return native("equals", key, Template(pieces=_NUMBER, args=[value], type=INTEGER), type=BOOLEAN)
    return None
