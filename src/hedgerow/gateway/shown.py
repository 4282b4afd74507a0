"""A connection as the control plane shows it (gateway §1.3). No token, no key and no part of one is ever in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hedgerow.gateway.models import ConnectionRow


def moment(when: datetime) -> str:
    """ISO 8601 with microseconds, always, and `Z`."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def connection_object(row: ConnectionRow, *, url: str, is_default: bool, origin: str) -> dict[str, Any]:
    """The object. `url` is the connect link, or where a person can get one; `origin` is this server's."""
    facts = {**row.facts, "base_url": origin} if row.method == "LOCAL" and row.facts else row.facts
    return {
        "connection_id": str(row.id),
        "status": row.status,
        "creation_time": moment(row.created_at),
        "last_updated_time": moment(row.updated_at),
        "url": url,
        "app": row.app,
        "method": row.method,
        "metadata": facts,
        "name": row.name,
        "reason": row.reason,
        "is_default": is_default,
        "enabled": row.enabled,
        "policy": row.policy,
    }


def defaults(rows: Iterable[ConnectionRow], pinned: UUID | None = None) -> set[UUID]:
    """Which of an account's connections calls use that name none: one of each app (gateway §2.2).

    `rows` are all of the account's, oldest first; `pinned` is the key's own.
    """
    chosen: dict[str, ConnectionRow] = {}
    for row in rows:
        if row.id == pinned:
            chosen[row.app] = row
    pinned_apps = set(chosen)
    for row in rows:
        if row.app in pinned_apps or row.status != "ACTIVE" or not row.enabled:
            continue
        if row.app not in chosen or (row.is_pinned and not chosen[row.app].is_pinned):
            chosen[row.app] = row
    return {row.id for row in chosen.values() if row.status == "ACTIVE" and row.enabled}


def entity_tag(row: ConnectionRow) -> str:
    """Of the object: weak, because the link in it may be another one."""
    return f'W/"{int(row.updated_at.timestamp() * 1_000_000)}"'


def key_object(row: Any, *, secret: str | None = None) -> Mapping[str, Any]:
    """A gateway key (gateway §1.11); `secret` is shown once, when it was made."""
    shown: dict[str, Any] = {
        "id": str(row.id),
        "name": row.name,
        "prefix": row.prefix,
        "suffix": row.suffix,
        "created_at": moment(row.created_at),
        "last_used_at": row.last_used_at and moment(row.last_used_at),
        "expires_at": row.expires_at and moment(row.expires_at),
        "policy": row.policy,
        "revoked_at": row.revoked_at and moment(row.revoked_at),
        "rotated_to": row.rotated_to and str(row.rotated_to),
    }
    if secret is not None:
        shown["key"] = secret
    return shown
