"""`hedgerow doctor`: do the two stores agree, and is every event there once?

SQL is the truth. For persons, distinct ids, overrides and groups the newest version in ClickHouse must equal SQL's row;
the outbox must be empty and no job given up; a plain `count()` must find no uuid twice; every version of properties that events point at
must exist.
"""

from __future__ import annotations

from hashlib import md5
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hedgerow.capture.journal import REFUSED_SUFFIX, waiting_rows
from hedgerow.core.jobs.store import JobStore
from hedgerow.core.storage.events import EventStore
from hedgerow.core.storage.metadata import Metadata
from hedgerow.people import sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hedgerow.settings import Settings

SHOWN_MAX: Final = 20
"""Differences of one kind that are written out; the rest is counted."""

_TABLES: Final[dict[str, tuple[str, str]]] = {
    "persons": (
        "SELECT team_id, uuid, created_at_us, properties, is_identified, version FROM persons",
        (
            "SELECT team_id, toString(id), toUnixTimestamp64Micro(created_at), lower(hex(MD5(properties))), is_identified,"
            " version FROM persons FINAL WHERE NOT is_deleted"
        ),
    ),
    "person_distinct_ids": (
        "SELECT team_id, distinct_id, person_uuid, version FROM person_distinct_ids",
        "SELECT team_id, distinct_id, toString(person_id), version FROM person_distinct_ids FINAL WHERE NOT is_deleted",
    ),
    "person_overrides": (
        "SELECT team_id, distinct_id, person_uuid, version FROM person_overrides",
        "SELECT team_id, distinct_id, toString(person_id), version FROM person_overrides FINAL WHERE NOT is_deleted",
    ),
    "groups": (
        "SELECT team_id, group_type_index, group_key, created_at_us, properties, version FROM groups",
        (
            "SELECT team_id, group_type_index, group_key, toUnixTimestamp64Micro(created_at),"
            " lower(hex(MD5(properties))), version FROM groups FINAL WHERE NOT is_deleted"
        ),
    ),
}
"""Table → the same columns from SQL and from ClickHouse; `properties` by its digest."""
_KEY_COLUMNS: Final = {"groups": 3}
_TEXT_COLUMN: Final = {"persons": 3, "groups": 4}

_TWICE: Final = """
SELECT team_id, toString(uuid) AS id, count() AS times FROM events GROUP BY team_id, uuid HAVING times > 1
ORDER BY team_id, id
"""
_NO_VERSION: Final = """
SELECT DISTINCT team_id, toString(person_properties_id) FROM events
WHERE person_properties_id != 0 AND (team_id, person_properties_id) NOT IN (SELECT team_id, id FROM person_properties_versions)
ORDER BY 1, 2
"""
_OUTBOX: Final = "SELECT id, table_name, refusal FROM outbox ORDER BY id"


class Report(msgspec.Struct, frozen=True):
    """What was compared and what differs."""

    rows: dict[str, int]
    """Table → rows in SQL."""
    differences: dict[str, list[str]]
    """Kind of difference → one line for each."""
    waiting: list[str]
    """What is still to be done, and no fault: overrides, jobs."""

    @property
    def healthy(self) -> bool:
        """Nothing differs."""
        return not any(self.differences.values())

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"healthy": self.healthy, "rows": self.rows, "differences": self.differences, "waiting": self.waiting}

    def as_text(self) -> str:
        """For people."""
        lines = [f"{count:>10,}  {table}" for table, count in self.rows.items()]
        for kind, found in self.differences.items():
            if found:
                lines += ["", f"{kind}: {len(found)}", *(f"  {line}" for line in found[:SHOWN_MAX])]
        lines += ["", *self.waiting] if self.waiting else []
        lines += ["", "The stores agree." if self.healthy else "The stores do not agree."]
        return "\n".join(lines)


async def examine(settings: Settings) -> Report:
    """Open both stores and compare them. Raises `StartupError` where they cannot be opened."""
    metadata = await Metadata.open(settings)
    try:
        events = await EventStore.open(settings)
        try:
            report = await compare(metadata, events)
            report.differences["journal"] = [
                f"{name}: {count} rows "
                + ("were refused" if name.endswith(REFUSED_SUFFIX) else "wait: start the server once")
                for name, count in waiting_rows(settings.data_dir / "journal").items()
            ]
            return report
        finally:
            await events.close()
    finally:
        await metadata.close()


async def compare(metadata: Metadata, events: EventStore) -> Report:
    """Compare two open stores. What is being written meanwhile shows up as a difference."""
    rows: dict[str, int] = {}
    differences: dict[str, list[str]] = {}
    for table, (from_sql, from_clickhouse) in _TABLES.items():
        async with metadata.connection(read_only=True) as connection:
            found = await sql.rows(connection, from_sql, {})
        truth = _keyed([_digested(table, row) for row in found], table)
        copy = _keyed([tuple(row) for row in await events.rows(from_clickhouse)], table)
        rows[table] = len(truth)
        differences[table] = _compare(truth, copy)
    differences["events there twice"] = [
        f"project {team}: {uuid}, {times} times" for team, uuid, times in await events.rows(_TWICE)
    ]
    differences["properties that events point at and that are missing"] = [
        f"project {team}: {version}" for team, version in await events.rows(_NO_VERSION)
    ]
    async with metadata.connection(read_only=True) as connection:
        waiting = await sql.rows(connection, _OUTBOX, {})
    differences["outbox"] = [
        f"row {number} for {table} " + (f"was refused: {refusal}" if refusal else "waits: start the server once")
        for number, table, refusal in waiting
    ]
    waiting = (
        [f"{rows['person_overrides']:,} overrides wait to be written into events"] if rows["person_overrides"] else []
    )
    jobs = await JobStore(metadata).unfinished()
    differences["jobs"] = [
        f"{job.kind}, number {job.id}, was given up after {job.attempts} attempts: {job.error}"
        for job in jobs
        if job.state == "failed"
    ]
    waiting += [
        f"job {job.kind}, number {job.id}: {job.state}, {job.progress:.0%} done"
        + (f", {job.error}" if job.error else "")
        for job in jobs
        if job.state != "failed"
    ]
    return Report(rows, differences, waiting)


def _digested(table: str, row: Any) -> tuple[Any, ...]:
    """A row of SQL as ClickHouse writes it: the digest of properties, booleans that are booleans."""
    values = list(row)
    at = _TEXT_COLUMN.get(table)
    if at is not None:
        values[at] = md5(values[at].encode(), usedforsecurity=False).hexdigest()
    if table == "persons":
        values[4] = bool(values[4])
    return tuple(values)


def _keyed(rows: list[tuple[Any, ...]], table: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    width = _KEY_COLUMNS.get(table, 2)
    return {row[:width]: row[width:] for row in rows}


def _compare(truth: Mapping[Any, Any], copy: Mapping[Any, Any]) -> list[str]:
    found = [f"{key}: missing in ClickHouse" for key in truth.keys() - copy.keys()]
    found += [f"{key}: in ClickHouse only" for key in copy.keys() - truth.keys()]
    found += [
        f"{key}: {truth[key]} in SQL, {copy[key]} in ClickHouse"
        for key in truth.keys() & copy.keys()
        if truth[key] != copy[key]
    ]
    return sorted(found)
