"""Plain SQL for both engines: how a list is bound, how commits are numbered, how projects are locked."""

from __future__ import annotations

import re
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import TextClause
    from sqlalchemy.ext.asyncio import AsyncConnection

LOCK_SPACE: Final = 0x48454447
"""The first key of our advisory locks in PostgreSQL; the second is the project's id."""

_LISTS: Final = {
    "sqlite": "SELECT value FROM json_each(:{name})",
    "postgresql": "SELECT value FROM jsonb_array_elements_text(CAST(:{name} AS jsonb)) AS listed(value)",
}
_NAME: Final = re.compile(r":([a-z_]+)")
_driver_statements: dict[tuple[str, str], tuple[str, Callable[[Mapping[str, Any]], tuple[Any, ...]]]] = {}
_statements: dict[tuple[str, str], TextClause] = {}


def statement(dialect: str, sql: str) -> TextClause:
    """The statement of an SQL text in which `@name` stands for a subquery over the bound list `name` (`listed`)."""
    found = _statements.get((dialect, sql))
    if found is None:
        parts = sql.split("@")
        written = parts[0]
        for part in parts[1:]:
            name = part[: next((at for at, char in enumerate(part) if not (char.isalnum() or char == "_")), len(part))]
            written += f"({_LISTS[dialect].format(name=name)}){part[len(name) :]}"
        found = _statements[dialect, sql] = text(written)
    return found


def listed(values: Iterable[str]) -> str:
    """Texts as the one value that `@name` in a statement is bound to: no engine limits how many."""
    return msgspec.json.encode(list(values)).decode()


async def rows(connection: AsyncConnection, sql: str, parameters: Mapping[str, Any]) -> Sequence[Any]:
    """All rows that a SELECT gives."""
    return (await connection.execute(statement(connection.dialect.name, sql), parameters)).fetchall()


async def execute(connection: AsyncConnection, sql: str, parameters: Mapping[str, Any]) -> int:
    """Run a statement once; how many rows it touched."""
    return (await connection.execute(statement(connection.dialect.name, sql), parameters)).rowcount


async def execute_many(connection: AsyncConnection, sql: str, parameters: Sequence[Mapping[str, Any]]) -> None:
    """Run a statement once for each set of parameters; nothing if there is none.

    The driver gets its own text and tuples: SQLAlchemy's handling of named parameters costs 10 µs a row.
    """
    if parameters:
        written, values_of = _for_driver(connection.dialect.name, sql)
        await connection.exec_driver_sql(written, [values_of(one) for one in parameters])


def _for_driver(dialect: str, sql: str) -> tuple[str, Callable[[Mapping[str, Any]], tuple[Any, ...]]]:
    """A statement with the driver's own placeholders, and what makes a tuple of named parameters for it."""
    found = _driver_statements.get((dialect, sql))
    if found is None:
        names = _NAME.findall(sql)
        numbers = iter(range(1, len(names) + 1))
        mark = "?" if dialect == "sqlite" else "$"
        written = _NAME.sub(lambda _: mark if mark == "?" else f"${next(numbers)}", sql)
        getter = itemgetter(*names) if len(names) > 1 else lambda one, name=names[0]: (one[name],)
        found = _driver_statements[dialect, sql] = (written, cast("Any", getter))
    return found


async def next_version(connection: AsyncConnection) -> int:
    """A number greater than that of every commit before, for projects that this transaction has locked."""
    if connection.dialect.name == "postgresql":
        found = await rows(connection, "SELECT nextval('write_sequence')", {})
    else:
        found = await rows(connection, "UPDATE write_counter SET value = value + 1 WHERE id = 1 RETURNING value", {})
    return int(found[0][0])


async def newest_commit(connection: AsyncConnection) -> int:
    """The number of the last commit; this one and all before are visible to every transaction that begins from now on.

    In PostgreSQL numbers are given out before their commits end: this waits until those are over.
    """
    if connection.dialect.name == "postgresql":
        await rows(connection, "SELECT pg_advisory_xact_lock(:space, 0)", {"space": LOCK_SPACE})
        found = await rows(connection, "SELECT last_value FROM write_sequence", {})
    else:
        found = await rows(connection, "SELECT value FROM write_counter WHERE id = 1", {})
    return int(found[0][0])


async def lock_projects(connection: AsyncConnection, team_ids: Iterable[int]) -> None:
    """Let nobody else change the persons of these projects until the transaction ends.

    SQLite has one writer anyway. In PostgreSQL one advisory lock a project, taken in order, stands for row locks: it
    also covers rows that do not exist yet, such as a distinct id that two workers see first. The lock of "project 0" is
    shared by all: `newest_commit` takes it alone.
    """
    if connection.dialect.name == "postgresql":
        for team_id in sorted(team_ids):
            await rows(
                connection,
                "SELECT pg_advisory_xact_lock_shared(:space, 0), pg_advisory_xact_lock(:space, :team_id)",
                {"space": LOCK_SPACE, "team_id": team_id & 0x7FFFFFFF},
            )
