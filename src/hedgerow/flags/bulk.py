"""Many flags at once: their keys, and their deletion (rest-api §11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.http import Access, ApiError, NotFound, Team, row_number
from hedgerow.flags.flag_bodies import FlagPatch
from hedgerow.flags.flag_context import FlagContext
from hedgerow.flags.flag_list import NAMES, selected
from hedgerow.flags.flag_status import always, certain_variant
from hedgerow.flags.flags import change_flag
from hedgerow.flags.models import FeatureFlag

AT_ONCE: Final = 1_000
"""How many ids one statement names."""


class BulkIds(msgspec.Struct, frozen=True):
    """The body that names flags."""

    ids: list[Any] = []


class BulkDelete(msgspec.Struct, frozen=True):
    """The body that deletes flags: those of `ids`, or those that a list narrowed by `filters` has."""

    ids: list[Any] | None = None
    filters: dict[str, Any] | None = None


class Deleted(msgspec.Struct, frozen=True):
    """A flag that is deleted now, and what it gave before."""

    id: int
    key: str
    rollout_state: str
    active_variant: str | None


class NotDeleted(msgspec.Struct, frozen=True, omit_defaults=True):
    """A flag that is not, and why."""

    id: Any
    reason: str
    key: str | None = None


class BulkDeletion(msgspec.Struct, frozen=True):
    """What became of each."""

    deleted: list[Deleted]
    errors: list[NotDeleted]


def numbers(said: Sequence[Any]) -> tuple[list[int], list[Any]]:
    """Ids, each once, and what is no id."""
    good: dict[int, None] = {}
    bad: list[Any] = []
    for each in said:
        number = row_number(each)
        if number is None:
            bad.append(each)
        else:
            good[number] = None
    return list(good), bad


async def keys_of(session: AsyncSession, team: Team, ids: Sequence[int]) -> dict[str, str]:
    """Id, as text → key, of those that are the project's and not deleted."""
    found: dict[str, str] = {}
    for start in range(0, len(ids), AT_ONCE):
        statement = select(FeatureFlag.id, FeatureFlag.key).where(
            FeatureFlag.team_id == team.id,
            FeatureFlag.deleted.is_(False),
            FeatureFlag.id.in_(ids[start : start + AT_ONCE]),
        )
        found |= {str(row.id): row.key for row in await session.execute(statement.order_by(FeatureFlag.id))}
    return found


def unknown_filters(filters: Mapping[str, Any]) -> list[str]:
    """What is nothing that a list is narrowed by."""
    return sorted(filters.keys() - NAMES)


async def matching(session: AsyncSession, context: FlagContext, said: Mapping[str, Any]) -> list[int]:
    """The ids of the flags that a list with these parameters has."""
    texts = {name: each if isinstance(each, str) else msgspec.json.encode(each).decode() for name, each in said.items()}
    statement = await selected(session, context.team, texts, context.clock.now())
    return list(await session.scalars(statement.with_only_columns(FeatureFlag.id).order_by(FeatureFlag.id)))


async def delete_flags(access: Access, context: FlagContext, said: Sequence[Any]) -> BulkDeletion:
    """Delete each that may be: a flag that another one needs goes once that one is gone. Each is a write of its own."""
    ids, bad = numbers(said)
    async with access.metadata.read() as session:
        keys = await keys_of(session, context.team, ids)
    errors = [NotDeleted(each, "Invalid flag ID") for each in bad]
    errors += [NotDeleted(each, "Flag not found") for each in ids if str(each) not in keys]
    deleted: list[Deleted] = []
    waiting = [each for each in ids if str(each) in keys]
    while waiting:
        refusals: list[NotDeleted] = []
        for flag_id in waiting:
            try:
                row = await change_flag(access, context, flag_id, FlagPatch(deleted=True))
            except NotFound:
                refusals.append(NotDeleted(flag_id, "Flag not found"))
            except ApiError as refusal:
                refusals.append(NotDeleted(flag_id, refusal.detail, keys[str(flag_id)]))
            else:
                deleted.append(_deleted(row))
        if len(refusals) == len(waiting):
            return BulkDeletion(deleted, [*errors, *refusals])
        waiting = [refusal.id for refusal in refusals]
    return BulkDeletion(deleted, errors)


def _deleted(row: FeatureFlag) -> Deleted:
    groups: list[dict[str, Any]] = row.filters.get("groups") or []
    reaches_nobody = not row.active or all(group.get("rollout_percentage") == 0 for group in groups)
    state = "not_rolled_out" if reaches_nobody else "partial" if always(row.filters) is None else "fully_rolled_out"
    return Deleted(row.id, row.key, state, certain_variant(row.filters) if state == "fully_rolled_out" else None)
