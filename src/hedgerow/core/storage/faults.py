"""Which errors of the SQL drivers mean "not now", and how to say at start what is wrong."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hedgerow.core.errors import MetadataUnavailable

if TYPE_CHECKING:
    from collections.abc import Generator

SQLITE_PASSING = {
    sqlite3.SQLITE_BUSY: "another process holds its lock",
    sqlite3.SQLITE_LOCKED: "another connection holds its lock",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_READONLY: "it cannot be written",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_NOMEM: "memory is short",
    sqlite3.SQLITE_PROTOCOL: "another process holds its lock",
}
"""Primary result codes of SQLite that are no fault of the statement, and what they mean."""

POSTGRESQL_PASSING = ("08", "53", "57P", "57014", "58", "55P03", "40001", "40P01", "25P03", "XX")
"""Beginnings of SQLSTATE codes that are no fault of the statement: connection, resources, shutdown, time-outs, locks."""


@contextmanager
def translated(label: str) -> Generator[None]:
    """Raise `MetadataUnavailable` in place of an error that only says "not now"; let every other error through."""
    try:
        yield
    except PoolTimeout as error:
        message = f"The database {label} has no free connection."
        raise MetadataUnavailable(message) from error
    except DBAPIError as error:
        reason = passing(error)
        if reason is None:
            raise
        message = f"The database {label} cannot answer: {reason}."
        raise MetadataUnavailable(message) from error
    except (ConnectionError, TimeoutError) as error:
        message = f"The database {label} cannot be reached."
        raise MetadataUnavailable(message) from error


def passing(error: DBAPIError) -> str | None:
    """Why the database could not answer, if that is not the statement's fault; else None."""
    original = _original(error)
    if isinstance(original, sqlite3.Error):
        code = getattr(original, "sqlite_errorcode", None)
        return None if code is None else SQLITE_PASSING.get(code & 0xFF)
    state = _sqlstate(error)
    if state is not None and state.startswith(POSTGRESQL_PASSING):
        return str(original)
    if error.connection_invalidated or isinstance(original, OSError):
        return "the connection was lost"
    return None


def sentence(error: SQLAlchemyError | OSError, dialect: str, label: str) -> str:
    """One sentence for a person who starts the server and whose database does not open."""
    original = _original(error)
    if dialect == "sqlite":
        code = getattr(original, "sqlite_errorcode", None)
        if code is not None and code & 0xFF == sqlite3.SQLITE_NOTADB:
            return f"{label} is not a SQLite database."
        reason = SQLITE_PASSING.get(code & 0xFF) if code is not None else None
        return f"The database {label} does not open: {reason or original}."
    if isinstance(original, OSError) or isinstance(error, PoolTimeout):
        return f"PostgreSQL at {label} cannot be reached: {_reason(original)}."
    return f"PostgreSQL at {label} refused: {_reason(original)}."


def _reason(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0].rstrip(".") if text and text[0] else type(error).__name__


def _original(error: BaseException) -> BaseException:
    """The driver's own error below SQLAlchemy's wrappers."""
    while True:
        inner = getattr(error, "orig", None) or (error.__cause__ if isinstance(error, _WRAPPERS) else None)
        if inner is None or inner is error:
            return error
        error = inner


def _sqlstate(error: DBAPIError) -> str | None:
    state = getattr(error.orig, "sqlstate", None)
    return state if isinstance(state, str) else None


def _wrappers() -> tuple[type[BaseException], ...]:
    """SQLAlchemy's stand-ins for asyncpg's errors: the real one is their cause."""
    from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi

    return (AsyncAdapt_asyncpg_dbapi.Error,)


_WRAPPERS = _wrappers()
