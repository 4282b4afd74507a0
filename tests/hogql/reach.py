"""What a ClickHouse text reaches: the functions that it calls and the tables that it reads, told without the printer's help."""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"(?P<string>'(?:[^'\\]|\\.|'')*')"
    r"|(?P<name>`(?:[^`\\]|\\.)*`)"
    r"|(?P<value>\{\w+:[^{}]*\})"
    r"|(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
    r"|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<mark>::|->|[^\s])",
    re.DOTALL,
)
_NO_CALLS = frozenset(
    [
        "AND",
        "ALL",
        "ANY",
        "AS",
        "ASC",
        "BETWEEN",
        "BY",
        "CUBE",
        "DESC",
        "DISTINCT",
        "ELSE",
        "EXCEPT",
        "FILTER",
        "FROM",
        "HAVING",
        "IN",
        "INTERSECT",
        "JOIN",
        "LIMIT",
        "NOT",
        "OFFSET",
        "ON",
        "OR",
        "ORDER",
        "OVER",
        "PREWHERE",
        "QUALIFY",
        "ROLLUP",
        "SELECT",
        "SETS",
        "THEN",
        "UNION",
        "USING",
        "WHEN",
        "WHERE",
        "WINDOW",
        "WITH",
    ]
)
_READS = frozenset({"FROM", "JOIN"})


class Reach(NamedTuple):
    """Names as ClickHouse spells them."""

    functions: frozenset[str]
    tables: frozenset[str]
    table_functions: frozenset[str]


def reach(sql: str) -> Reach:
    """What the text calls and reads. Raises ValueError for a comment, a second statement or a clause that only ClickHouse has."""
    tokens = [(match.lastgroup or "", match.group()) for match in _TOKEN.finditer(sql)]
    tokens.append(("end", ""))
    functions: set[str] = set()
    tables: set[str] = set()
    table_functions: set[str] = set()
    for place, (kind, text) in enumerate(tokens[:-1]):
        before, after = tokens[place - 1] if place else ("", ""), tokens[place + 1]
        opens = after == ("mark", "(")
        if (
            (kind == "mark" and text in {";", "#"})
            or (text == "-" and after[1] == "-")
            or (text == "/" and after[1] == "*")
        ):
            raise ValueError(f"{text!r} in {sql}")
        if kind == "word" and text.upper() in {"SETTINGS", "FORMAT", "INTO"} and not opens:
            raise ValueError(f"{text} in {sql}")
        reads = before[0] == "word" and before[1].upper() in _READS and tokens[max(place - 2, 0)][1] != "ARRAY"
        if kind == "name":
            if reads:
                tables.add(text[1:-1])
            elif opens:
                functions.add(text)
        elif kind == "word" and opens and before != ("mark", "::") and text not in _NO_CALLS:
            (table_functions if reads else functions).add(text)
        elif kind == "word" and reads:
            tables.add(text)
    return Reach(frozenset(functions), frozenset(tables), frozenset(table_functions))
