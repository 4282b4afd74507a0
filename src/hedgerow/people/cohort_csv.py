"""Persons of a list, as a file of comma-separated values names them (rest-api §8, Static by CSV)."""

from __future__ import annotations

import csv
import io
from typing import Final, Literal, NamedTuple

from hedgerow.core.http.errors import ValidationFailed

Kind = Literal["person_id", "distinct_id", "email"]
_HEADERS: Final[dict[Kind, frozenset[str]]] = {
    "person_id": frozenset({"person_id", "person-id", "Person .id"}),
    "distinct_id": frozenset({"distinct_id", "distinct-id"}),
    "email": frozenset({"email", "e-mail"}),
}
"""In the order of preference, where a file has several."""
_EMPTY: Final = "CSV file is empty. Please upload a CSV file with at least one row of data."
_NO_IDS: Final = (
    "CSV file contains no valid person IDs, distinct IDs, or email addresses. Please ensure your file has data rows with"
    " person IDs, distinct IDs, or email addresses."
)
_NO_COLUMN: Final = (
    "Multi-column CSV must contain at least one column with a supported ID header: 'person_id', 'Person .id' (PostHog"
    " export format), 'distinct_id', 'distinct-id', or 'email'. Found columns: "
)


class Listed(NamedTuple):
    """What a file says: one kind of id, each id once."""

    kind: Kind
    ids: list[str]


def read_csv(text: str) -> Listed:
    """The ids of a file. Raises `ValidationFailed`, `attr` `csv`."""
    try:
        rows = [
            [cell.strip() for cell in row] for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
        ]
    except csv.Error as error:
        raise _wrong(f"CSV file cannot be read: {error}.") from None
    rows = [row for row in rows if any(row)]
    if not rows:
        raise _wrong(_EMPTY)
    header = rows[0]
    kind, column = _column(header)
    if kind is None and len(header) > 1:
        raise _wrong(_NO_COLUMN + ", ".join(header))
    body = rows if kind is None else rows[1:]
    ids = dict.fromkeys(row[column] for row in body if len(row) > column and row[column])
    if not ids:
        raise _wrong(_NO_IDS)
    return Listed(kind or "distinct_id", list(ids))


def _column(header: list[str]) -> tuple[Kind | None, int]:
    for kind, names in _HEADERS.items():
        if len(header) == 1 and kind == "distinct_id":
            continue  # a single column without a known header holds distinct ids, the first row too
        for column, name in enumerate(header):
            if name in names:
                return kind, column
    return None, 0


def _wrong(detail: str) -> ValidationFailed:
    return ValidationFailed(detail, attr="csv")
