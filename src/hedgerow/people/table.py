"""Persons as CSV: a column for each property that any of them has (rest-api §5)."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hedgerow.people.schemas import PersonOut

COLUMNS_MAX: Final = 1_000
"""Anyone who may send events may invent properties: the rarest beyond share the column `other`, as JSON."""

_FIRST: Final = ("id", "name", "created_at", "is_identified")
_OTHER: Final = "other"


def csv_of(persons: Iterable[PersonOut]) -> bytes:
    """A table in UTF-8 with a line of names: the person's own fields, `distinct_ids.N` and `properties.KEY` in order.

    What is no text stands as JSON; what a person does not have, or has as null, is an empty cell.
    """
    rows = [dict(_cells(person)) for person in persons]
    counted = Counter(name for row in rows for name in row)
    ranked = sorted(counted, key=lambda name: (name not in _FIRST, -counted[name], name))
    columns = sorted(ranked[:COLUMNS_MAX], key=_order)
    if len(ranked) > COLUMNS_MAX:
        _share_a_column(rows, set(columns))
        columns.append(_OTHER)
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(columns or _FIRST)
    writer.writerows([row.get(column, "") for column in columns] for row in rows)
    return written.getvalue().encode("utf-8", "replace")


def _cells(person: PersonOut) -> Iterator[tuple[str, str]]:
    yield from ((name, _text(getattr(person, name))) for name in _FIRST)
    yield from ((f"distinct_ids.{place}", distinct_id) for place, distinct_id in enumerate(person.distinct_ids))
    for key, value in msgspec.json.decode(person.properties).items():
        yield f"properties.{key}", _text(value)


def _share_a_column(rows: list[dict[str, str]], columns: set[str]) -> None:
    for row in rows:
        rest = {name: row[name] for name in row if name not in columns}
        if rest:
            row[_OTHER] = _text(rest)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _order(column: str) -> tuple[int, int, str]:
    if column in _FIRST:
        return 0, _FIRST.index(column), column
    kind, _, rest = column.partition(".")
    return (1, int(rest), column) if kind == "distinct_ids" else (2, 0, column)
