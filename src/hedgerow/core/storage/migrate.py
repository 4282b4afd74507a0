"""Bring the SQL tables up to date, in one transaction, when the server starts.

The revisions stand beside this file, in `migrations/versions`, so an installed wheel has them too.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from hedgerow.core.errors import StartupError

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

MIGRATIONS = Path(__file__).parent / "migrations"
ONE_AT_A_TIME = 4_839_117_220
"""The number of the PostgreSQL advisory lock under which tables change: of many workers that start, one does it."""


def alembic_config() -> Config:
    """Alembic's settings, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


async def upgrade(engine: AsyncEngine, label: str) -> None:
    """Run every revision that the database does not have yet; all of them or none.

    Raises `StartupError` if a newer Hedgerow wrote this database.
    """
    async with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ONE_AT_A_TIME})
        await connection.run_sync(_upgrade, label)


def _upgrade(connection: Connection, label: str) -> None:
    config = alembic_config()
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    present = set(MigrationContext.configure(connection).get_current_heads())
    newer = sorted(present - known)
    if newer:
        message = (
            f"The database {label} was written by a newer version of Hedgerow (revision {newer[0]}): "
            "start that version, or a newer one, on it."
        )
        raise StartupError(message)
    if present == set(scripts.get_heads()):
        return
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
