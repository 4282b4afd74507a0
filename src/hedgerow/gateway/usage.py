"""What was called and what was done, read back: the sums of `gateway_usage`, the entries of `gateway_audit` (gateway §5.2)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, func, select

from hedgerow.core.clock import from_us, iso, to_us
from hedgerow.core.storage.metadata import Metadata
from hedgerow.gateway.accounting import NOBODY
from hedgerow.gateway.models import AuditEntry, Usage

DAY_US: Final = 86_400_000_000
ROWS_MAX: Final = 1_000
_DIMENSIONS: Final[dict[str, ColumnElement[Any]]] = {
    "key": Usage.key_id.expression,
    "connection": Usage.connection_id.expression,
    "path": Usage.route.expression,
    "day": Usage.hour_us - Usage.hour_us % DAY_US,
    "hour": Usage.hour_us.expression,
}
DIMENSIONS: Final = tuple(_DIMENSIONS)


class Span(msgspec.Struct, frozen=True):
    """From when until when; None is open."""

    since: datetime | None = None
    until: datetime | None = None


async def usage_of(
    metadata: Metadata,
    user_id: int,
    by: tuple[str, ...],
    span: Span,
    *,
    key_id: UUID | None = None,
    connection_id: UUID | None = None,
) -> list[dict[str, Any]]:
    """Sums of an account's calls for each combination of `by` (names of `DIMENSIONS`), most calls first.

    Only full hours are told apart by `span`. Raises `MetadataUnavailable`.
    """
    dimensions = [_DIMENSIONS[name].label(name) for name in by]
    sums = [
        func.sum(getattr(Usage, name)).label(name)
        for name in ("calls", "refused", "failed", "bytes_in", "bytes_out", "upstream_us", "gateway_us")
    ]
    wanted = select(*dimensions, *sums).where(Usage.user_id == user_id)
    if span.since is not None:
        wanted = wanted.where(Usage.hour_us >= to_us(span.since))
    if span.until is not None:
        wanted = wanted.where(Usage.hour_us < to_us(span.until))
    if key_id is not None:
        wanted = wanted.where(Usage.key_id == key_id)
    if connection_id is not None:
        wanted = wanted.where(Usage.connection_id == connection_id)
    wanted = wanted.group_by(*dimensions).order_by(func.sum(Usage.calls).desc(), *dimensions).limit(ROWS_MAX)
    async with metadata.read() as session:
        rows = (await session.execute(wanted)).mappings().all()
    return [_shown(dict(row), by) for row in rows if row["calls"]]


def _shown(row: dict[str, Any], by: tuple[str, ...]) -> dict[str, Any]:
    calls = int(row["calls"])
    found: dict[str, Any] = {}
    for name in by:
        value = row[name]
        if name in {"day", "hour"}:
            found[name] = iso(from_us(int(value)))[: 10 if name == "day" else None]
        else:
            found[name] = None if value == NOBODY else str(value)
    return found | {
        "calls": calls,
        "refused": int(row["refused"]),
        "failed": int(row["failed"]),
        "bytes_in": int(row["bytes_in"]),
        "bytes_out": int(row["bytes_out"]),
        "upstream_ms": round(int(row["upstream_us"]) / calls / 1000, 3),
        "added_ms": round(int(row["gateway_us"]) / calls / 1000, 3),
    }


async def audit_of(
    metadata: Metadata, user_id: int, span: Span, *, subject_id: str | None, action: str | None, before: int, limit: int
) -> list[AuditEntry]:
    """An account's entries, newest first; `before` is the id of the last one that was seen, 0 at first.

    Raises `MetadataUnavailable`.
    """
    wanted = select(AuditEntry).where(AuditEntry.user_id == user_id)
    if span.since is not None:
        wanted = wanted.where(AuditEntry.at >= span.since)
    if span.until is not None:
        wanted = wanted.where(AuditEntry.at < span.until)
    if subject_id is not None:
        wanted = wanted.where(AuditEntry.subject_id == subject_id)
    if action is not None:
        wanted = wanted.where(AuditEntry.action == action)
    if before:
        wanted = wanted.where(AuditEntry.id < before)
    async with metadata.read() as session:
        return list(await session.scalars(wanted.order_by(AuditEntry.id.desc()).limit(limit)))


def audit_object(entry: AuditEntry) -> dict[str, Any]:
    """An entry as it is shown."""
    return {
        "id": entry.id,
        "at": iso(entry.at),
        "actor": {"kind": entry.actor_kind, "id": entry.actor_id},
        "action": entry.action,
        "subject": {"kind": entry.subject_kind, "id": entry.subject_id},
        "details": entry.details,
    }
