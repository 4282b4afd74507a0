"""Feature flags are made, changed, hidden and brought back (rest-api §11)."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import select

from hedgerow.core.http import Access, Caller, Team, ValidationFailed
from hedgerow.core.resources import Edit, Subject, editing, find, flush_or, sent, set_tags
from hedgerow.flags.cohorts import check_cohorts
from hedgerow.flags.dependencies import check_may_be_active, check_needed, check_not_needed, one_writer
from hedgerow.flags.filters import checked_filters
from hedgerow.flags.models import FeatureFlag
from hedgerow.hogql import ProjectSchema

SCOPE: Final = "FeatureFlag"
KEY: Final = re.compile(r"[a-zA-Z0-9_-]+")
KEY_LENGTH: Final = 400
WRONG_KEY: Final = "Only letters, numbers, hyphens (-) & underscores (_) are allowed."
TAKEN: Final = "There is already a feature flag with this key."
SHOWN: Final = ("key", "name", "filters", "active", "deleted", "ensure_experience_continuity")


class NewFlag(msgspec.Struct, frozen=True):
    """The body that makes one."""

    key: str
    name: str = ""
    filters: dict[str, Any] = {}
    active: bool = True
    ensure_experience_continuity: bool | None = False
    tags: list[str] = []


class FlagPatch(msgspec.Struct, frozen=True):
    """The body that changes one."""

    key: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    filters: dict[str, Any] | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    deleted: bool | UnsetType = UNSET
    ensure_experience_continuity: bool | UnsetType | None = UNSET
    tags: list[str] | UnsetType = UNSET


async def create_flag(
    access: Access, caller: Caller, team: Team, *, schema: ProjectSchema, body: NewFlag
) -> FeatureFlag:
    """Check and store a new one. Raises ValidationFailed."""
    async with editing(access, caller, team) as edit:
        await one_writer(edit.session, team)
        await _check_key(edit, body.key)
        filters = checked_filters(body.filters, None)
        check_cohorts(filters, schema)
        await check_needed(edit.session, team, None, body.key, filters)
        row = FeatureFlag(
            **edit.made(),
            key=body.key,
            name=body.name,
            filters=filters,
            active=body.active,
            deleted=False,
            archived=False,
            version=1,
            updated_at=edit.clock.now(),
            last_modified_by_id=edit.user_id,
            ensure_experience_continuity=bool(body.ensure_experience_continuity),
            rollback_conditions=None,
            performed_rollback=None,
            evaluation_tags=[],
            usage_dashboard_id=None,
            analytics_dashboards=[],
            has_enriched_analytics=False,
            is_remote_configuration=False,
            has_encrypted_payloads=False,
            evaluation_runtime="all",
            bucketing_identifier=None,
            creation_context=None,
            last_called_at=None,
        )
        edit.session.add(row)
        await flush_or(edit.session, _taken())
        await set_tags(edit.session, team.id, SCOPE, row.id, body.tags)
        edit.note_created(Subject(SCOPE, row.id, row.key))
    return row


async def change_flag(
    access: Access, caller: Caller, team: Team, *, schema: ProjectSchema, flag_id: int, body: FlagPatch
) -> FeatureFlag:
    """Change what the body has. Raises NotFound, ValidationFailed."""
    fields = sent(body)
    async with editing(access, caller, team) as edit:
        await one_writer(edit.session, team)
        row = await find(edit.session, FeatureFlag, team, flag_id, to_change=True)
        before = _shown(row)
        if not isinstance(body.key, UnsetType) and body.key != row.key:
            await _check_key(edit, body.key)
            row.key = body.key
        was_live, was_active = not row.deleted, row.active
        for name in ("name", "active", "deleted"):
            if name in fields:
                setattr(row, name, fields[name])
        if not isinstance(body.filters, UnsetType):
            row.filters = checked_filters(body.filters, row.filters)
            check_cohorts(row.filters, schema)
        if "ensure_experience_continuity" in fields:
            row.ensure_experience_continuity = bool(body.ensure_experience_continuity)
        await _check_others(edit, row, was_live=was_live, was_active=was_active, filters_sent="filters" in fields)
        row.version += 1
        row.updated_at, row.last_modified_by_id = edit.clock.now(), edit.user_id
        await flush_or(edit.session, _taken())
        if not isinstance(body.tags, UnsetType):
            await set_tags(edit.session, team.id, SCOPE, row.id, body.tags)
        edit.note_updated(Subject(SCOPE, row.id, row.key), before, _shown(row))
    return row


async def _check_others(edit: Edit, row: FeatureFlag, *, was_live: bool, was_active: bool, filters_sent: bool) -> None:
    """What the changed flag needs is there, and who needs it does not lose it."""
    session, team, is_live = edit.session, edit.team, not row.deleted
    with session.no_autoflush:
        if was_live and not is_live:
            await check_not_needed(session, team, row.id, "delete")
        elif was_active and not row.active and is_live:
            await check_not_needed(session, team, row.id, "disable")
        if is_live and row.active and not was_active and not filters_sent:
            await check_may_be_active(session, team, row.filters)
        elif is_live and (filters_sent or not was_live):
            await check_needed(session, team, row.id, row.key, row.filters)


async def _check_key(edit: Edit, key: str) -> None:
    same = select(FeatureFlag.id).where(
        FeatureFlag.team_id == edit.team.id, FeatureFlag.key == key, FeatureFlag.deleted.is_(False)
    )
    if await edit.session.scalar(same) is not None:
        raise _taken()
    if not key:
        raise ValidationFailed("This field may not be blank.", code="blank", attr="key")
    if len(key) > KEY_LENGTH:
        text = f"Ensure this field has no more than {KEY_LENGTH} characters."
        raise ValidationFailed(text, code="max_length", attr="key")
    if not KEY.fullmatch(key):
        raise ValidationFailed(WRONG_KEY, code="invalid_key", attr="key")


def _taken() -> ValidationFailed:
    return ValidationFailed(TAKEN, code="unique", attr="key")


def _shown(row: FeatureFlag) -> dict[str, Any]:
    return {name: getattr(row, name) for name in SHOWN}
