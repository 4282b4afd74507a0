"""Opening the SQL database: created, migrated, or one sentence that says why not."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from tests.stores.databases import empty_postgresql, on_postgresql

import hedgerow
from hedgerow.core.errors import StartupError
from hedgerow.core.storage.metadata import Base, Metadata
from hedgerow.core.storage.migrate import alembic_config
from hedgerow.settings import Settings

pytestmark = pytest.mark.stores


async def opening(settings: Settings) -> str:
    """The sentence that opening fails with."""
    with pytest.raises(StartupError) as caught:
        await Metadata.open(settings)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


@pytest.fixture
def empty(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "new" / "data", database_url=empty_postgresql() if on_postgresql() else "")


async def test_an_empty_place_gets_every_table_of_every_room(empty: Settings) -> None:
    for models in Path(hedgerow.__file__).parent.rglob("models.py"):
        __import__(".".join(models.relative_to(Path(hedgerow.__file__).parents[1]).with_suffix("").parts))
    metadata = await Metadata.open(empty)

    def differences(connection: Connection) -> list[Any]:
        return compare_metadata(MigrationContext.configure(connection), Base.metadata)

    async with metadata.connection(read_only=True) as connection:
        found = await connection.run_sync(differences)
    await metadata.close()
    assert found == [], "a model and its migration say different things"


async def test_opening_again_changes_nothing(empty: Settings) -> None:
    first = await Metadata.open(empty)
    await first.close()
    second = await Metadata.open(empty)
    await second.close()


async def test_many_workers_may_start_at_once(empty: Settings) -> None:
    if not on_postgresql():
        await (await Metadata.open(empty)).close()  # several processes on one new SQLite file: only one can be first
    opened = await asyncio.gather(*(Metadata.open(empty) for _ in range(4)))
    for metadata in opened:
        await metadata.close()


def test_the_revisions_are_one_line() -> None:
    assert len(ScriptDirectory.from_config(alembic_config()).get_heads()) == 1


async def test_a_database_of_a_newer_version_is_left_alone(empty: Settings) -> None:
    metadata = await Metadata.open(empty)
    async with metadata.connection() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9042'"))
    await metadata.close()
    sentence = await opening(empty)
    assert "newer version of Hedgerow (revision 9042)" in sentence


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://root@localhost/x", 'must begin with sqlite:/// or postgresql://, not with "mysql"'),
        ("nonsense", "is not a URL"),
        ("sqlite://", "must name a file"),
        ("postgresql://someone:hush-hush@127.0.0.1:1/x", "PostgreSQL at 127.0.0.1:1/x cannot be reached"),
    ],
)
async def test_a_wrong_url_is_one_sentence_without_its_password(tmp_path: Path, url: str, words: str) -> None:
    sentence = await opening(Settings(data_dir=tmp_path, database_url=url))
    assert words in sentence
    assert "hush-hush" not in sentence


async def test_a_database_that_postgresql_does_not_have(tmp_path: Path) -> None:
    url = empty_postgresql().replace("/test_", "/missing_test_")
    assert "does not exist" in await opening(Settings(data_dir=tmp_path, database_url=url))


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "hedgerow.db").write_text("this is a letter to my aunt, and not a database at all. " * 100)
    assert "is not a SQLite database" in await opening(Settings(data_dir=tmp_path))


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be created" in await opening(Settings(data_dir=tmp_path / "file" / "data"))


async def test_a_file_that_another_process_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hedgerow.core.storage.metadata.LOCK_WAIT_MS_MAX", 50)
    monkeypatch.setitem(pragmas(), "busy_timeout", "50")
    other = sqlite3.connect(tmp_path / "hedgerow.db", isolation_level=None)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("BEGIN IMMEDIATE")
    try:
        assert "another process holds its lock" in await opening(Settings(data_dir=tmp_path))
    finally:
        other.close()


def pragmas() -> dict[str, str]:
    from hedgerow.core.storage.metadata import PRAGMAS

    return PRAGMAS


READ_ONLY = """
import asyncio, pathlib, sys
from hedgerow.core.errors import StartupError
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings
try:
    asyncio.run(Metadata.open(Settings(data_dir=pathlib.Path(sys.argv[1]))))
except StartupError as error:
    print(error)
"""


def test_a_disk_that_is_read_only(tmp_path: Path, in_a_namespace: Callable[..., str]) -> None:
    printed = in_a_namespace(f"mount -t tmpfs -o ro none {tmp_path}", READ_ONLY, str(tmp_path / "data"))
    assert "cannot be created" in printed
    assert "Read-only file system" in printed


def test_a_database_on_a_disk_that_became_read_only(tmp_path: Path, in_a_namespace: Callable[..., str]) -> None:
    asyncio.run(_make(tmp_path))
    printed = in_a_namespace(
        f"mount --bind {tmp_path} {tmp_path} && mount -o remount,bind,ro {tmp_path}", READ_ONLY, str(tmp_path)
    )
    assert "does not open: it cannot be" in printed


async def _make(folder: Path) -> None:
    metadata = await Metadata.open(Settings(data_dir=folder))
    await metadata.close()


@pytest.fixture
def in_a_namespace() -> Callable[..., str]:
    """Run a script after mounting something that only it sees."""
    import sys

    def run(mount: str, script: str, *arguments: str) -> str:
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh"]
        done = subprocess.run(
            [*command, sys.executable, "-W", "ignore", "-c", script, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        return done.stdout + done.stderr

    return run
