"""ClickHouse's tables: numbered `.sql` files, run once each, in order, at start; the only place with DDL.

A file holds statements that end with a semicolon at the end of a line. `schema_migrations` remembers which files ran.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec

from hedgerow.core.errors import StartupError
from hedgerow.core.storage.clickhouse_errors import StoreError, StoreUnavailable

if TYPE_CHECKING:
    from hedgerow.core.storage.events import Engine
    from hedgerow.settings import Settings

DURABLE_TABLES = (
    "events",
    "person_properties_versions",
    "persons",
    "person_distinct_ids",
    "person_overrides",
    "groups",
    "raw_sessions",
    "cohort_people",
    "cohort_versions",
    "static_cohort_people",
)

_REMEMBER = (
    "CREATE TABLE IF NOT EXISTS schema_migrations (version UInt32, name String, applied_at DateTime DEFAULT now())"
    " ENGINE = MergeTree ORDER BY version"
)


def known() -> dict[int, tuple[str, str]]:
    """Version → (name, SQL text) of every migration that this release has."""
    found: dict[int, tuple[str, str]] = {}
    for file in files(__name__).iterdir():
        if file.name.endswith(".sql"):
            number, _, name = file.name.removesuffix(".sql").partition("_")
            found[int(number)] = (name, file.read_text(encoding="utf-8"))
    return dict(sorted(found.items()))


def migrate(connect: Callable[[], Engine], settings: Settings) -> None:
    """Bring the tables up to date. Raises StartupError with one sentence."""
    migrations = known()
    engine = connect()
    try:
        _run(engine, _REMEMBER)
        body = engine.query("SELECT version FROM schema_migrations", {}, {}, "JSONCompactEachRow")
        done = {int(msgspec.json.decode(line)[0]) for line in body.splitlines()}
        if newer := done - migrations.keys():
            raise StartupError(
                f"The event store was written by a newer Hedgerow (schema {max(newer)}; this one knows {max(migrations)});"
                " start that version, or one after it."
            )
        for version, (name, text) in migrations.items():
            if version not in done:
                for statement in statements(text):
                    _run(engine, statement)
                _run(engine, f"INSERT INTO schema_migrations (version, name) VALUES ({version}, '{name}')")
        _set_durability(engine, fsync=settings.durability == "fsync")
    except (StoreError, StoreUnavailable) as error:
        raise StartupError(f"The event store cannot be set up: {str(error).splitlines()[0][:300]}") from None
    finally:
        engine.close()


def statements(text: str) -> list[str]:
    """The statements of a file, comments kept, final semicolons cut."""
    parts = [part.strip() for part in text.split(";\n")]
    return [part.rstrip(";") for part in parts if part and not all(line.startswith("--") for line in part.splitlines())]


def _set_durability(engine: Engine, *, fsync: bool) -> None:
    """`HEDGEROW_DURABILITY=fsync` makes an insert survive power loss: the part's files and its folder are synced."""
    listed = ", ".join(f"'{table}'" for table in DURABLE_TABLES)
    sql = (
        "SELECT name, position(engine_full, 'fsync_after_insert = 1') > 0 FROM system.tables"
        f" WHERE database = currentDatabase() AND name IN ({listed})"
    )
    body = engine.query(sql, {}, {}, "JSONCompactEachRow")
    for table, synced in map(msgspec.json.decode, body.splitlines()):
        if bool(synced) != fsync:
            value = int(fsync)
            _run(
                engine,
                f"ALTER TABLE {table} MODIFY SETTING fsync_after_insert = {value}, fsync_part_directory = {value}",
            )


def _run(engine: Engine, statement: str) -> None:
    engine.query(statement, {}, {}, "Null")
