"""One write to a project's resources: who writes, when, and what is said about it afterwards (rest-api §1.8)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core import ids
from hedgerow.core.clock import Clock
from hedgerow.core.http import Access, Caller, Team
from hedgerow.core.resources.activity import Change, Subject, differences
from hedgerow.core.resources.models import ActivityLog


@dataclass(frozen=True)
class Edit:
    """A transaction with its author: what is written and what is noted about it are stored together, or neither is.

    `caller` is None where the server itself writes.
    """

    session: AsyncSession
    caller: Caller | None
    team: Team
    clock: Clock

    @property
    def user_id(self) -> int | None:
        """The author. A project's secret is nobody, and so is the server."""
        user = None if self.caller is None else self.caller.user_or_nobody
        return None if user is None else user.id

    def made(self) -> dict[str, Any]:
        """The values of `Made`."""
        return {"team_id": self.team.id, "created_at": self.clock.now(), "created_by_id": self.user_id}

    def note(self, subject: Subject, activity: str, changes: Sequence[Change] | None = None, **more: Any) -> None:
        """Store that `activity` was done to the subject. `more` goes into the entry's detail."""
        detail = {
            "name": subject.name,
            "short_id": subject.short_id,
            "type": subject.type,
            "changes": None if changes is None else msgspec.to_builtins(list(changes)),
            "merge": None,
            "trigger": None,
            **more,
        }
        self.session.add(
            ActivityLog(
                id=ids.uuid7(),
                team_id=self.team.id,
                user_id=self.user_id,
                scope=subject.scope,
                item_id=str(subject.item_id),
                activity=activity,
                detail=detail,
                is_system=self.caller is None,
                created_at=self.clock.now(),
            )
        )

    def note_created(self, subject: Subject) -> None:
        """Store that the subject was made."""
        self.note(subject, "created")

    def note_updated(
        self, subject: Subject, before: Mapping[str, Any], after: Mapping[str, Any], passing_over: Sequence[str] = ()
    ) -> None:
        """Store what changed, if anything: `deleted` or `restored` where that field moved, else `updated`."""
        changes = differences(subject.scope, before, after, passing_over=passing_over)
        if not changes:
            return
        activity = "updated"
        if before.get("deleted") != after.get("deleted"):
            activity = "deleted" if after.get("deleted") else "restored"
        self.note(subject, activity, changes)


@asynccontextmanager
async def editing(access: Access, caller: Caller | None, team: Team) -> AsyncGenerator[Edit]:
    """A write by the caller: committed when the block ends well, rolled back when it raises."""
    async with access.metadata.write() as session:
        yield Edit(session, caller, team, access.clock)
