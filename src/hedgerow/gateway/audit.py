"""Who created, first used, changed or revoked what: rows that are only ever added (gateway §5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.clock import Clock
from hedgerow.gateway.models import AuditEntry


class Actor(msgspec.Struct, frozen=True):
    """Who did it: a gateway key (its id), a signed-in user (their id), or the gateway itself (the name of the task)."""

    kind: Literal["key", "user", "system"]
    id: str


class Subject(msgspec.Struct, frozen=True):
    """What it was done to: a `key`, `connection`, `link`, `client` …, its id, and whose account it belongs to."""

    kind: str
    id: str
    user_id: int | None


def audit(
    session: AsyncSession,
    actor: Actor,
    action: str,
    *,
    clock: Clock,
    subject: Subject,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Add an entry in the caller's transaction, so that it stands if and only if the change does.

    `action` is `{kind}.{what happened}`, such as `connection.created`. `details` must hold no secret.
    """
    session.add(
        AuditEntry(
            at=clock.now(),
            user_id=subject.user_id,
            actor_kind=actor.kind,
            actor_id=actor.id,
            action=action,
            subject_kind=subject.kind,
            subject_id=subject.id,
            details=dict(details or {}),
        )
    )
