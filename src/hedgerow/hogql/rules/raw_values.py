"""Conditions on a property's text, asked of the raw JSON value: nothing is unquoted row by row.

A text property is its raw value without quotes, NULL where that is missing or `null` (hogql §6). So what it is compared
with is quoted instead, once:

    = 'a'           raw IN ('"a"', 'a')         a text, or a number, a boolean or a list written so
    LIKE '%a%'      raw LIKE '%a%'              where the pattern cannot meet a quote, nor `null`

The verdict is the same for every value, and never NULL. In JOIN … ON a negation says something else about NULL, so there
the value is compared as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from hedgerow.hogql import ast
from hedgerow.hogql.lowered import Native, Template, constant, native
from hedgerow.hogql.rules.properties import raw_of
from hedgerow.hogql.types import BOOLEAN

if TYPE_CHECKING:
    from hedgerow.hogql.resolve import Resolver

_MEMBER: Final = {"==": "in", "!=": "notIn", "in": "in", "not in": "notIn", "global in": "in", "global not in": "notIn"}
_PATTERNS: Final = {"like": "like", "ilike": "ilike", "not like": "notLike", "not ilike": "notILike"}
_MISSING: Final = ("", "null")
LIST_MAX: Final = 1_000
"""Each value is bound twice; a longer list costs more so than it saves."""


def on_raw_value(op: str, left: Any, right: Any, resolver: Resolver) -> Native | None:
    """The condition over the raw value; None where it is none on a text property, or cannot be said so."""
    if resolver.in_join_condition or not isinstance(left, Template):
        return None
    raw = raw_of(left)
    if raw is None:
        return None
    if op in _PATTERNS:
        pattern = right.value if isinstance(right, ast.Constant) else None
        if isinstance(pattern, str) and _meets_no_quote(pattern):
            return native(_PATTERNS[op], raw, right, type=BOOLEAN)
        return None
    name = _MEMBER.get(op)
    texts = None if name is None else _texts(right, is_list=op not in {"==", "!="})
    if name is None or texts is None:
        return None
    return native(name, raw, constant(tuple(written for text in texts for written in _written(text))), type=BOOLEAN)


def _meets_no_quote(pattern: str) -> bool:
    """Whether a pattern is `%…%` of plain characters, so that it says of a raw value what it says of the text."""
    if len(pattern) < 2 or pattern[0] != "%" or pattern[-1] != "%" or any(letter in pattern for letter in '_\\"'):
        return False
    return any(part.lower() not in "null" for part in pattern.split("%"))


def _texts(right: Any, *, is_list: bool) -> Sequence[str] | None:
    """The texts that the property is compared with; None where they are not all known."""
    if not is_list:
        return [right.value] if isinstance(right, ast.Constant) and isinstance(right.value, str) else None
    values: Any = None
    if isinstance(right, ast.Constant):
        values = right.value
    elif isinstance(right, Native) and right.name in {"tuple", "array"} and not right.params:
        values = [arg.value if isinstance(arg, ast.Constant) else None for arg in right.args]
    if not isinstance(values, list | tuple) or not 0 < len(values) <= LIST_MAX:
        return None
    known: list[Any] = list(values)
    return known if all(isinstance(value, str) for value in known) else None


def _written(text: str) -> list[str]:
    """The raw values whose text this is."""
    quoted = f'"{text}"'
    return [quoted] if text in _MISSING or text.startswith('"') else [quoted, text]
