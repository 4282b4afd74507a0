"""Ingestion warnings: what a project should know about events that it sent, kept in SQL and readable later.

Equal warnings of one hour are one row with a count, so that a client that errs in a loop costs a row an hour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from hedgerow.capture.event import IngestionWarning
from hedgerow.capture.models import IngestionWarningRow

if TYPE_CHECKING:
    from hedgerow.capture.normalise import Door, Draft

HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US
KEPT_US: Final = 30 * DAY_US
"""Rows that were not added to for this long are removed."""
DISTINCT_PER_HOUR_MAX: Final = 100
"""Rows of one project, type and hour; the rest is counted in one row whose subject is ""."""
_TEXT_MAX: Final = 1_000
_SUBJECT_MAX: Final = 200


def warning(door: Door, draft: Draft, kind: str, details: Mapping[str, Any] | None = None) -> IngestionWarning:
    """A warning about one event."""
    found: dict[str, Any] = {
        "eventUuid": str(UUID(bytes=draft.uuid)),
        "event": draft.event,
        "distinctId": draft.distinct_id,
    }
    message = draft.values.get("$$client_ingestion_warning_message")
    if isinstance(message, str):
        found["message"] = message
    found.update(details or {})
    short = {key: value[:_TEXT_MAX] if isinstance(value, str) else value for key, value in found.items()}
    return IngestionWarning(door.team_id, kind, short, door.now_us)


async def keep(store: AsyncSession | AsyncConnection, warnings: Sequence[IngestionWarning]) -> None:
    """Write warnings within the caller's transaction."""
    if not warnings:
        return
    grouped = _grouped(warnings)
    crowded = await _crowded(store, {(team, kind, hour) for team, kind, _, hour in grouped})
    rows: dict[tuple[int, str, str, int], dict[str, Any]] = {}
    for (team_id, kind, subject, hour), (more, last) in grouped.items():
        known = subject if (team_id, kind, hour) not in crowded else ""
        key = (team_id, kind, known, hour)
        count = more + (rows[key]["count"] if key in rows else 0)
        rows[key] = {
            "team_id": team_id,
            "type": kind,
            "subject": known,
            "hour_us": hour,
            "count": count,
            "last_seen_us": last.timestamp_us,
            "details": msgspec.json.encode(last.details).decode(),
        }
    dialect = (await _connection(store)).dialect.name
    table = IngestionWarningRow
    insert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    statement = insert.on_conflict_do_update(
        index_elements=["team_id", "type", "subject", "hour_us"],
        set_={
            "count": IngestionWarningRow.count + insert.excluded.count,
            "last_seen_us": insert.excluded.last_seen_us,
            "details": insert.excluded.details,
        },
    )
    await store.execute(statement, list(rows.values()))


class Summary(msgspec.Struct, frozen=True):
    """The warnings of one type: how many, when last, and how many on each day (days since 1970 UTC)."""

    type: str
    count: int
    last_seen_us: int
    days: dict[int, int]


async def summaries(session: AsyncSession, team_id: int, *, since_us: int, search: str = "") -> list[Summary]:
    """A project's types of warnings, the latest first; of those rows alone whose type or details hold `search`."""
    day = IngestionWarningRow.hour_us // DAY_US
    statement = (
        select(
            IngestionWarningRow.type,
            day,
            func.sum(IngestionWarningRow.count),
            func.max(IngestionWarningRow.last_seen_us),
        )
        .where(*_chosen(session, team_id, since_us, search))
        .group_by(IngestionWarningRow.type, day)
    )
    found: dict[str, Summary] = {}
    for kind, number, count, last_us in await session.execute(statement):
        known = found.get(kind, Summary(kind, 0, 0, {}))
        days = known.days | {int(number): int(count)}
        found[kind] = Summary(kind, known.count + int(count), max(known.last_seen_us, last_us), days)
    return sorted(found.values(), key=lambda summary: (-summary.last_seen_us, summary.type))


async def latest(
    session: AsyncSession,
    team_id: int,
    *,
    kind: str | None = None,
    since_us: int = 0,
    search: str = "",
    limit: int = 100,
) -> list[IngestionWarningRow]:
    """A project's warnings, of one type if that is given, newest first: one for each type, subject and hour."""
    chosen = _chosen(session, team_id, since_us, search)
    if kind is not None:
        chosen.append(IngestionWarningRow.type == kind)
    statement = (
        select(IngestionWarningRow)
        .where(*chosen)
        .order_by(IngestionWarningRow.last_seen_us.desc(), IngestionWarningRow.type, IngestionWarningRow.subject)
        .limit(limit)
    )
    return list(await session.scalars(statement))


def _chosen(session: AsyncSession, team_id: int, since_us: int, search: str) -> list[ColumnElement[bool]]:
    chosen = [IngestionWarningRow.team_id == team_id, IngestionWarningRow.last_seen_us > since_us]
    if search:
        place = func.strpos if session.get_bind().dialect.name == "postgresql" else func.instr
        chosen.append(or_(place(IngestionWarningRow.type, search) > 0, place(IngestionWarningRow.details, search) > 0))
    return chosen


async def forget_old(session: AsyncSession, now_us: int) -> None:
    """Remove what nobody will read any more."""
    await session.execute(delete(IngestionWarningRow).where(IngestionWarningRow.last_seen_us < now_us - KEPT_US))


def _grouped(
    warnings: Sequence[IngestionWarning],
) -> dict[tuple[int, str, str, int], tuple[int, IngestionWarning]]:
    grouped: dict[tuple[int, str, str, int], tuple[int, IngestionWarning]] = {}
    seen: dict[tuple[int, str, int], int] = {}
    for found in warnings:
        hour = found.timestamp_us // HOUR_US * HOUR_US
        subject = str(found.details.get("distinctId") or "")[:_SUBJECT_MAX].replace("\0", "\ufffd")
        key = (found.team_id, found.type, subject, hour)
        if key not in grouped:
            kind = (found.team_id, found.type, hour)
            seen[kind] = seen.get(kind, 0) + 1
            if seen[kind] > DISTINCT_PER_HOUR_MAX:
                key = (found.team_id, found.type, "", hour)
        count = grouped[key][0] if key in grouped else 0
        grouped[key] = (count + 1, found)
    return grouped


async def _crowded(
    store: AsyncSession | AsyncConnection,
    kinds: set[tuple[int, str, int]],
) -> set[tuple[int, str, int]]:
    """Which of these already have as many rows as they may."""
    crowded: set[tuple[int, str, int]] = set()
    for team_id, kind, hour in sorted(kinds):
        rows = await store.scalar(
            select(func.count())
            .select_from(IngestionWarningRow)
            .where(
                IngestionWarningRow.team_id == team_id,
                IngestionWarningRow.type == kind,
                IngestionWarningRow.hour_us == hour,
            ),
        )
        if (rows or 0) >= DISTINCT_PER_HOUR_MAX:
            crowded.add((team_id, kind, hour))
    return crowded


async def _connection(store: AsyncSession | AsyncConnection) -> AsyncConnection:
    return await store.connection() if isinstance(store, AsyncSession) else store
