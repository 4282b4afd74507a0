"""The base class of every SQL table, and the column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import JSON, BigInteger, DateTime, Integer, MetaData, types
from sqlalchemy.orm import DeclarativeBase

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

NAMES = {
    "ix": "%(table_name)s_by_%(column_0_N_name)s",
    "uq": "%(table_name)s_one_%(column_0_N_name)s",
    "ck": "%(table_name)s_check_%(constraint_name)s",
    "fk": "%(table_name)s_%(column_0_name)s_is_in_%(referred_table_name)s",
    "pk": "%(table_name)s_key",
}
"""How constraints are called, so that a later migration can name them on either engine."""


class Base(DeclarativeBase):
    """What every room's tables derive from: one `MetaData`, one naming of constraints."""

    metadata = MetaData(naming_convention=NAMES)


class Timestamp(types.TypeDecorator[datetime]):
    """A moment: an aware `datetime` in Python, always UTC when it comes out.

    PostgreSQL keeps `timestamptz`. SQLite keeps text that sorts by time. A naive value is a bug and raises `ValueError`.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database: in UTC; SQLite gets it without the zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = "a moment needs a time zone"
            raise ValueError(message)
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database: aware, UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


RowId = BigInteger().with_variant(Integer, "sqlite")
"""A 64-bit number that counts up by itself on both engines."""

Json = JSON(none_as_null=True)
"""JSON as text on both engines (not `jsonb`): key order, number spelling and `\\u0000` come back as they were."""


def write_json(value: Any) -> str:
    """The text of a JSON column. Lone surrogates are escaped, so any `str` can be stored."""
    try:
        return msgspec.json.encode(value).decode()
    except (UnicodeEncodeError, msgspec.ValidationError):
        return json.dumps(value, separators=(",", ":"))


def read_json(text: str | bytes) -> Any:
    """The value of a JSON column."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)
