"""The SQL database: SQLite in one file by default, PostgreSQL by URL; same tables, same calls.

    async with metadata.read() as session:        # parallel, never waits for the writer
        team = await session.get(Project, 1)
    async with metadata.write() as session:       # one transaction: all of it is stored, or nothing
        session.add(Project(...))

SQLite has one writer. An asyncio lock queues the writers of this process, `BEGIN IMMEDIATE` keeps out those of another
one, and readers (WAL) see the last committed state meanwhile. PostgreSQL has as many writers as its pool has connections.

Hot paths use `connection()`: the same transaction without the ORM, with `executemany` for lists of rows.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, Self

from sqlalchemy import event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from hedgerow.core.errors import StartupError
from hedgerow.core.storage import faults
from hedgerow.core.storage.database_url import DatabaseUrl, database_url
from hedgerow.core.storage.tables import Base, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sqlalchemy.ext.asyncio import AsyncConnection

    from hedgerow.settings import Settings

__all__ = ["Base", "Metadata"]

LOCK_WAIT_MS_MAX = 5_000
"""How long a transaction waits for a lock that another process or connection holds before it gives up."""
READERS_MAX = 8
"""Parallel read transactions on SQLite; each is one thread while it lives."""
CONNECTIONS_MAX = 10
"""Connections of each of the two pools (reads, writes) to PostgreSQL."""
POOL_WAIT_SECONDS_MAX = 10
"""How long a transaction waits for a free connection of its pool."""

PRAGMAS = {
    "busy_timeout": str(LOCK_WAIT_MS_MAX),
    "foreign_keys": "ON",
    "temp_store": "MEMORY",
    "cache_size": "-16384",  # KiB: 16 MiB a connection
    "mmap_size": str(256 * 1024 * 1024),
}
WRITER_PRAGMAS = {
    "journal_mode": "WAL",
    "journal_size_limit": str(64 * 1024 * 1024),
    "wal_autocheckpoint": "8000",  # pages, 32 MiB: a page that many commits touch is copied and synced once for all of them
}


class Metadata:
    """The opened database. Make it with `open`, end it with `close`."""

    def __init__(self, where: DatabaseUrl, reader: AsyncEngine, writer: AsyncEngine) -> None:
        """Wrap two pools of the same database; `open` is the way to call this."""
        self.dialect: Literal["sqlite", "postgresql"] = where.dialect
        self.label = where.label
        self._reader = reader
        self._writer = writer
        self._one_writer = asyncio.Lock() if where.dialect == "sqlite" else None

    @classmethod
    async def open(cls, settings: Settings) -> Self:
        """Open the database that the settings name, create it if need be, and bring its tables up to date.

        Raises `StartupError` with one sentence: wrong URL, unreachable, not writable, locked, of a newer version.
        """
        from hedgerow.core.storage.migrate import upgrade

        where = database_url(settings)
        if where.path is not None:
            _make_room_for(where)
            reader, writer = _sqlite_engines(where, durable=settings.durability == "fsync")
        else:
            reader, writer = _postgresql_engines(where)
        metadata = cls(where, reader, writer)
        try:
            await upgrade(writer, where.label)
            await metadata.ping()
        except (SQLAlchemyError, OSError) as error:
            await metadata.close()
            raise StartupError(faults.sentence(error, where.dialect, where.label)) from error
        except BaseException:
            await metadata.close()
            raise
        return metadata

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncSession]:
        """A session to look things up with; the database refuses writes. What it loads stays usable afterwards.

        Raises `MetadataUnavailable`.
        """
        with faults.translated(self.label):
            async with AsyncSession(self._reader, expire_on_commit=False) as session:
                yield session

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncSession]:
        """A session in one transaction: committed when the block ends well, rolled back when it raises.

        Raises `MetadataUnavailable`; then nothing of the block is stored.
        """
        async with self._turn():
            with faults.translated(self.label):
                async with AsyncSession(self._writer, expire_on_commit=False) as session, session.begin():
                    yield session

    @asynccontextmanager
    async def connection(self, *, read_only: bool = False) -> AsyncGenerator[AsyncConnection]:
        """One transaction without the ORM, for hot paths: like `write`, or like `read` if `read_only`.

        `await connection.execute(statement, list_of_dicts)` runs one `executemany`;
        `(await connection.get_raw_connection()).driver_connection` is the driver's own.
        """
        if read_only:
            with faults.translated(self.label):
                async with self._reader.connect() as connection:
                    yield connection
            return
        async with self._turn():
            with faults.translated(self.label):
                async with self._writer.begin() as connection:
                    yield connection

    async def ping(self) -> None:
        """Ask the database one trivial question. Raises `MetadataUnavailable` if it does not answer."""
        async with self.connection(read_only=True) as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection. Transactions that run must have ended."""
        await self._reader.dispose()
        await self._writer.dispose()

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        """Wait until no other writer of this process holds the SQLite file."""
        if self._one_writer is None:
            yield
            return
        async with self._one_writer:
            yield


def _make_room_for(where: DatabaseUrl) -> None:
    """Make the folder of the SQLite file. Raises `StartupError` if that is not possible."""
    assert where.path is not None
    try:
        where.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"The folder {where.path.parent} cannot be created: {error.strerror or error}."
        raise StartupError(message) from error


def _sqlite_engines(where: DatabaseUrl, *, durable: bool) -> tuple[AsyncEngine, AsyncEngine]:
    """A pool of readers and a pool of one writer. SQLAlchemy's `begin` says which kind of transaction it is."""
    common: dict[str, Any] = {
        "connect_args": {"isolation_level": None},  # we say BEGIN ourselves
        "json_serializer": write_json,
        "json_deserializer": read_json,
        "hide_parameters": True,  # an error text must not carry a secret into a log
        "pool_timeout": POOL_WAIT_SECONDS_MAX,
    }
    reader = create_async_engine(where.url, pool_size=READERS_MAX, max_overflow=0, **common)
    writer = create_async_engine(where.url, pool_size=1, max_overflow=0, **common)
    synchronous = "FULL" if durable else "NORMAL"
    _at_connect(reader, {**PRAGMAS, "query_only": "ON"})
    _at_connect(writer, {"synchronous": synchronous, **WRITER_PRAGMAS, **PRAGMAS})
    _at_begin(reader, "BEGIN")
    _at_begin(writer, "BEGIN IMMEDIATE")
    return reader, writer


def _at_connect(engine: AsyncEngine, pragmas: dict[str, str]) -> None:
    def set_pragmas(dbapi_connection: Any, _record: object) -> None:
        cursor = dbapi_connection.cursor()
        for name, value in pragmas.items():
            cursor.execute(f"PRAGMA {name}={value}")
        cursor.close()

    event.listen(engine.sync_engine, "connect", set_pragmas)


def _at_begin(engine: AsyncEngine, statement: str) -> None:
    def begin(connection: Any) -> None:
        connection.exec_driver_sql(statement)

    event.listen(engine.sync_engine, "begin", begin)


def _postgresql_engines(where: DatabaseUrl) -> tuple[AsyncEngine, AsyncEngine]:
    """A pool for reads, in transactions that PostgreSQL itself keeps read-only, and one for writes."""
    common: dict[str, Any] = {
        "connect_args": {
            "timeout": 5,
            "server_settings": {
                "application_name": "hedgerow",
                "lock_timeout": str(LOCK_WAIT_MS_MAX),
                "idle_in_transaction_session_timeout": "60000",
                "timezone": "UTC",
            },
        },
        "json_serializer": write_json,
        "json_deserializer": read_json,
        "hide_parameters": True,  # an error text must not carry a secret into a log
        "pool_size": CONNECTIONS_MAX,
        "max_overflow": 0,
        "pool_timeout": POOL_WAIT_SECONDS_MAX,
        "pool_pre_ping": False,
    }
    reader = create_async_engine(where.url, execution_options={"postgresql_readonly": True}, **common)
    writer = create_async_engine(where.url, **common)
    return reader, writer
