"""Cases of a heading, or of a page, as text: a query, and what must come of it.

    ## a title
    SELECT event FROM events
        columns> ["event"]
        types> ["String"]
        rows> [["a"]]

A query is a line that begins at the margin. What is indented under it is checked; a query with nothing under it only has
to run. `rows in any order>` is for queries without an ORDER BY, `with>` holds `zone` (the project in Berlin) and the
node's other fields. With HEDGEROW_GOLDEN=write the tests write columns, types and rows anew under queries that have rows.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import msgspec
from tests.contract.hogql.conftest import Shop

WRITES = os.environ.get("HEDGEROW_GOLDEN") == "write"
_INSIDE = re.compile(r"\([^()]*\)")
_FIELD = re.compile(r" +(with|columns|types|rows(?: in any order)?)> (.*)\Z")


class Case(msgspec.Struct):
    """A query and what is known of its answer; None is not checked."""

    title: str
    text: str
    options: dict[str, Any] = {}
    columns: list[str] | None = None
    types: list[str] | None = None
    rows: list[Any] | None = None
    any_order: bool = False

    @property
    def id(self) -> str:
        """What the test is called."""
        return f"{self.title}: {self.text[:70]}"

    def agrees(self, columns: list[str], types: list[str], rows: list[Any]) -> None:
        """Hold an answer to the case."""
        if self.columns is not None:
            assert columns == self.columns
        if self.types is not None:
            assert types == self.types
        if self.rows is not None:
            found = sorted(rows, key=_order) if self.any_order else rows
            assert found == (sorted(self.rows, key=_order) if self.any_order else self.rows)


def _order(row: Any) -> bytes:
    return msgspec.json.encode(row)


def read_cases(path: Path) -> list[Case]:
    """The cases of a file, in order. Raises ValueError for an indented line that is none of a case."""
    title, cases = "", list[Case]()
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            title = line.removeprefix("## ") if line.startswith("## ") else title
        elif line.startswith(" "):
            field = _FIELD.match(line)
            if field is None:
                raise ValueError(f"{path.name}: {line!r} is no part of a case")
            _take(cases[-1], field.group(1), msgspec.json.decode(field.group(2)))
        elif line:
            cases.append(Case(title, line))
    return cases


def _take(case: Case, name: str, value: Any) -> None:
    if name == "with":
        case.options = value
    elif name == "columns":
        case.columns = value
    elif name == "types":
        case.types = value
    else:
        case.rows, case.any_order = value, name != "rows"


async def asked(path: Path, case: Case, shop: Shop, zoned: Shop) -> None:
    """Ask over HTTP, and hold the answer to the case; or write it down."""
    node = dict(case.options)
    answer = await (zoned if node.pop("zone", False) else shop).answer(case.text, **node)
    if WRITES and case.rows is not None:
        write_answer(path, case.text, answer.columns, answer.types, answer.rows)
    else:
        case.agrees(answer.columns, answer.types, answer.rows)


def write_answer(path: Path, text: str, columns: list[str], types: list[str], rows: list[Any]) -> None:
    """Put an answer under its query in the file, in place of what stands there."""
    lines: list[str] = []
    inside, place = False, 0
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith(" "):
            inside = line == text
            lines.append(line)
            if inside:
                place = len(lines)
                order = "rows" if len(rows) < 2 or _is_ordered(text) else "rows in any order"
                lines += [f"    columns> {_json(columns)}", f"    types> {_json(types)}", f"    {order}> {_json(rows)}"]
        elif not inside:
            lines.append(line)
        elif line.lstrip().startswith("with>"):
            lines.insert(place, line)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _is_ordered(text: str) -> bool:
    """Whether an ORDER BY stands outside of all parentheses."""
    inner = ""
    while inner != text:
        inner, text = text, _INSIDE.sub("", text)
    return "ORDER BY" in text


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
