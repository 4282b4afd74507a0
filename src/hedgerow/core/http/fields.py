"""Values of paths and bodies that need more than a type."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

from hedgerow.core.http.errors import NotFound, ValidationFailed
from hedgerow.core.http.wording import MOMENT_FORMAT

INTEGER_MAX = 2**63 - 1


def row_number(said: object) -> int | None:
    """The number of a row, written as a number or in digits; None for anything that no row can have."""
    if isinstance(said, str) and said.isascii() and said.isdecimal() and len(said) <= len(str(INTEGER_MAX)):
        said = int(said)
    return said if isinstance(said, int) and not isinstance(said, bool) and 0 <= said <= INTEGER_MAX else None


def integer_id(said: str) -> int:
    """A row number from a path. Raises `NotFound` for anything that no row can have."""
    number = row_number(said)
    if number is None:
        raise NotFound
    return number


def at_most(text: str, characters: int, attr: str) -> str:
    """The text, unless it is longer. Raises `ValidationFailed` with `attr`."""
    if len(text) > characters:
        detail = f"Ensure this field has no more than {characters} characters."
        raise ValidationFailed(detail, code="max_length", attr=attr)
    return text


def uuid_id(said: str) -> UUID:
    """A UUID from a path, with or without capitals. Raises `NotFound` for anything else."""
    try:
        found = UUID(said)
    except ValueError:
        raise NotFound from None
    if str(found) != said.lower():
        raise NotFound
    return found


def parse_moment(said: str, attr: str) -> datetime:
    """Any ISO 8601 date or time; without a zone it is UTC (rest-api §1.9). Raises `ValidationFailed` with `attr`."""
    text = said.strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            moment = datetime.combine(date.fromisoformat(text), datetime.min.time())
        except ValueError:
            raise ValidationFailed(MOMENT_FORMAT, attr=attr) from None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValidationFailed(MOMENT_FORMAT, attr=attr) from None
