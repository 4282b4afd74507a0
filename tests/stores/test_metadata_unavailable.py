"""The database cannot answer: `MetadataUnavailable`, nothing half-written, and all is well once it can again."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select, text
from tests.stores.databases import empty_postgresql
from tests.stores.organizations import organization

from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.identity.models import Organization
from hedgerow.core.storage import metadata as module
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings


async def add(metadata: Metadata, slug: str = "one") -> None:
    async with metadata.write() as session:
        session.add(organization(slug=slug))


async def slugs(metadata: Metadata) -> list[str]:
    async with metadata.read() as session:
        return list((await session.scalars(select(Organization.slug))).all())


@pytest.fixture
async def on_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Metadata]:
    monkeypatch.setitem(module.PRAGMAS, "busy_timeout", "50")
    opened = await Metadata.open(Settings(data_dir=tmp_path))
    yield opened
    await opened.close()


@pytest.fixture
async def on_postgresql(tmp_path: Path) -> AsyncIterator[Metadata]:
    opened = await Metadata.open(Settings(data_dir=tmp_path, database_url=empty_postgresql()))
    yield opened
    await opened.close()


async def test_a_lock_that_another_process_keeps(on_sqlite: Metadata, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "hedgerow.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(MetadataUnavailable, match="another process holds its lock"):
        await add(on_sqlite)
    assert await slugs(on_sqlite) == []
    other.execute("ROLLBACK")
    other.close()
    await add(on_sqlite)
    assert await slugs(on_sqlite) == ["one"]


async def test_a_full_disk(on_sqlite: Metadata) -> None:
    async with on_sqlite.connection() as connection:
        pages = await connection.scalar(text("PRAGMA page_count"))
        await connection.execute(text(f"PRAGMA max_page_count={pages}"))  # SQLite's own way to say "no more room"
    with pytest.raises(MetadataUnavailable, match="the disk is full"):
        await add_much(on_sqlite)
    assert await slugs(on_sqlite) == []
    async with on_sqlite.connection() as connection:
        await connection.execute(text("PRAGMA max_page_count=1000000"))
    await add(on_sqlite)
    assert await slugs(on_sqlite) == ["one"]


async def add_much(metadata: Metadata) -> None:
    async with metadata.write() as session:
        session.add_all(organization(slug=f"o-{number}", settings={"x": "x" * 2_000}) for number in range(500))


async def test_a_connection_that_the_server_ends(on_postgresql: Metadata) -> None:
    await add(on_postgresql, "before")

    async def end_every_connection_and_add() -> None:
        async with on_postgresql.write() as session:
            pid = await session.scalar(text("SELECT pg_backend_pid()"))
            async with on_postgresql.connection(read_only=True) as other:
                await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            session.add(organization(slug="lost"))

    with pytest.raises(MetadataUnavailable):
        await end_every_connection_and_add()
    await add(on_postgresql, "after")
    assert await slugs(on_postgresql) == ["before", "after"]


async def test_a_lock_that_another_transaction_keeps(on_postgresql: Metadata) -> None:
    await add(on_postgresql)

    async def change_while_another_does() -> None:
        async with on_postgresql.write() as holder:
            await holder.execute(text("UPDATE organizations SET name = 'a'"))
            async with on_postgresql.write() as waiter:
                await waiter.execute(text("SET LOCAL lock_timeout = '50ms'"))
                await waiter.execute(text("UPDATE organizations SET name = 'b'"))

    with pytest.raises(MetadataUnavailable):
        await change_while_another_does()
    assert await slugs(on_postgresql) == ["one"]


LAST_WORDS = """
import asyncio, os, pathlib, signal, sys
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings
from tests.stores.organizations import organization

async def main() -> None:
    metadata = await Metadata.open(Settings(data_dir=pathlib.Path(sys.argv[1]), durability=sys.argv[2]))
    async with metadata.write() as session:
        session.add(organization(slug="committed"))
    async with metadata.write() as session:
        session.add(organization(slug="not committed"))
        await session.flush()
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.parametrize("durability", ["process", "fsync"])
async def test_what_was_committed_survives_a_kill(tmp_path: Path, durability: str) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", LAST_WORDS, str(tmp_path), durability)
    assert await process.wait() == -9
    metadata = await Metadata.open(Settings(data_dir=tmp_path))
    found = await slugs(metadata)
    await metadata.close()
    assert found == ["committed"]
