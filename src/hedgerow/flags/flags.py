"""Feature flags are made, changed, hidden and brought back (rest-api §11)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import UNSET, UnsetType
from sqlalchemy import delete, select

from hedgerow.core.http import Access, Conflict, ValidationFailed, at_most
from hedgerow.core.identity.models import User
from hedgerow.core.resources import Edit, Subject, editing, find, flush_or, forget_tags, sent, set_tags, tags_of
from hedgerow.flags.cohorts import check_cohorts
from hedgerow.flags.dependencies import check_may_be_active, check_needed, check_not_needed, one_writer
from hedgerow.flags.filters import checked_filters
from hedgerow.flags.flag_bodies import FlagFields, FlagPatch, NewFlag, columns_of
from hedgerow.flags.flag_context import FlagContext
from hedgerow.flags.models import EarlyAccessFeature, FeatureFlag
from hedgerow.flags.payloads import hidden, sealed, unsealed

SCOPE: Final = "FeatureFlag"
KEY: Final = re.compile(r"[a-zA-Z0-9_-]+")
KEY_LENGTH: Final = 400
WRONG_KEY: Final = "Only letters, numbers, hyphens (-) & underscores (_) are allowed."
TAKEN: Final = "There is already a feature flag with this key."
HAS_FEATURE: Final = (
    "Cannot delete a feature flag that is in use with early access features. "
    "Please delete the early access feature before deleting the flag."
)
NOT_WHILE_ENABLED: Final = (
    "Cannot archive an enabled feature flag. Disable it first, or send active: false in the same request."
)
NOT_WHILE_ARCHIVED: Final = "Cannot enable an archived feature flag. Unarchive it first."
NOT_BY_DEVICE: Final = (
    "Cannot enable 'persist across authentication steps' when using device ID bucketing. "
    "These features are incompatible."
)
SHOWN: Final = (
    "key", "name", "filters", "active", "deleted", "archived", "ensure_experience_continuity", "rollback_conditions",
    "performed_rollback", "evaluation_tags", "evaluation_runtime", "bucketing_identifier", "has_enriched_analytics",
    "is_remote_configuration", "has_encrypted_payloads",
)  # fmt: skip
ENROLLMENT: Final = "$feature_enrollment/"


async def create_flag(access: Access, context: FlagContext, body: NewFlag) -> FeatureFlag:
    """Check and store a new one. Raises ValidationFailed."""
    async with editing(access, context.caller, context.team) as edit:
        return await add_flag(edit, context, body)


async def add_flag(edit: Edit, context: FlagContext, body: NewFlag) -> FeatureFlag:
    """The same within a write that does more. A deleted flag of the key makes room. Raises ValidationFailed."""
    session, team = edit.session, context.team
    await one_writer(session, team)
    await _check_key(edit, body.key)
    await _make_room(edit, body.key)
    filters = checked_filters({} if isinstance(body.filters, UnsetType) else body.filters, None)
    await check_cohorts(session, team, filters)
    await check_needed(session, team, None, body.key, filters)
    row = FeatureFlag(
        **edit.made(),
        key=body.key,
        name="",
        filters=filters,
        active=True,
        deleted=False,
        archived=False,
        version=1,
        updated_at=edit.clock.now(),
        last_modified_by_id=edit.user_id,
        ensure_experience_continuity=False,
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
    _write(row, columns_of(body), was_active=False)
    _check_states(row, body)
    _seal(row, context, None)
    session.add(row)
    await flush_or(session, _taken())
    await set_tags(session, team.id, SCOPE, row.id, [] if isinstance(body.tags, UnsetType) else body.tags)
    edit.note_created(Subject(SCOPE, row.id, row.key))
    return row


async def change_flag(access: Access, context: FlagContext, flag_id: int, body: FlagPatch) -> FeatureFlag:
    """Change what the body has. Raises NotFound, ValidationFailed, Conflict."""
    async with editing(access, context.caller, context.team) as edit:
        await one_writer(edit.session, context.team)
        row = await find(edit.session, FeatureFlag, context.team, flag_id, to_change=True)
        await write_flag(edit, context, row, body)
    return row


async def write_flag(
    edit: Edit,
    context: FlagContext,
    row: FeatureFlag,
    body: FlagPatch,
    *,
    super_groups: Sequence[dict[str, Any]] | UnsetType | None = UNSET,
) -> None:
    """The same within a write that does more, which has called `one_writer` first; `super_groups` replace those there."""
    session, team = edit.session, context.team
    await _check_conflict(edit, context, row, body)
    before, stored = _shown(row), dict(row.filters)
    was_live, was_active, was_key = not row.deleted, row.active, row.key
    with session.no_autoflush:
        if not isinstance(body.key, UnsetType) and body.key != row.key:
            await _check_key(edit, body.key)
            row.key = body.key
        _write(row, columns_of(body), was_active=was_active)
        _check_states(row, body)
        if not isinstance(body.filters, UnsetType):
            row.filters = checked_filters(body.filters, row.filters)
            await check_cohorts(session, team, row.filters)
        if not isinstance(super_groups, UnsetType):
            row.filters = {**row.filters, "super_groups": super_groups}
        if row.key != was_key:
            row.filters = _with_enrollment(row.filters, was_key, row.key)
        _seal(row, context, stored)
        await _check_others(edit, row, was_live=was_live, was_active=was_active, filters_sent="filters" in sent(body))
        row.version += 1
        row.updated_at, row.last_modified_by_id = edit.clock.now(), edit.user_id
    await flush_or(session, _taken())
    if not isinstance(body.tags, UnsetType):
        await set_tags(session, team.id, SCOPE, row.id, body.tags)
    edit.note_updated(Subject(SCOPE, row.id, row.key), before, _shown(row))


def _write(row: FeatureFlag, columns: Mapping[str, Any], *, was_active: bool) -> None:
    for name, value in columns.items():
        setattr(row, name, value)
    if row.active and not was_active and "performed_rollback" not in columns:
        row.performed_rollback = False


def _check_states(row: FeatureFlag, body: FlagFields) -> None:
    """Values that exclude each other."""
    if row.archived and row.active and not row.deleted:
        raise ValidationFailed(NOT_WHILE_ENABLED if body.archived is True else NOT_WHILE_ARCHIVED)
    if row.bucketing_identifier == "device_id" and row.ensure_experience_continuity:
        raise ValidationFailed(NOT_BY_DEVICE)
    if row.has_encrypted_payloads and not row.is_remote_configuration:
        text = "Encrypted payloads are for remote configuration flags only."
        raise ValidationFailed(text, attr="has_encrypted_payloads")


def _seal(row: FeatureFlag, context: FlagContext, stored: Mapping[str, Any] | None) -> None:
    """Payloads are sealed where the flag says so, and readable where it does not."""
    if row.has_encrypted_payloads:
        row.filters = sealed(context.vault, row.team_id, row.filters, stored)
    else:
        row.filters = unsealed(context.vault, row.team_id, row.filters, stored)


def _with_enrollment(filters: dict[str, Any], before: str, after: str) -> dict[str, Any]:
    """Filters whose enrollment conditions name the flag by its new key."""
    if not filters.get("super_groups"):
        return filters
    groups = [
        {
            **group,
            "properties": [
                {**each, "key": ENROLLMENT + after} if each.get("key") == ENROLLMENT + before else each
                for each in group.get("properties") or []
            ],
        }
        for group in filters["super_groups"]
    ]
    return {**filters, "super_groups": groups}


async def _check_others(edit: Edit, row: FeatureFlag, *, was_live: bool, was_active: bool, filters_sent: bool) -> None:
    """What the changed flag needs is there, and who needs it does not lose it."""
    session, team, is_live = edit.session, edit.team, not row.deleted
    if was_live and not is_live:
        feature = select(EarlyAccessFeature.id).where(EarlyAccessFeature.feature_flag_id == row.id).limit(1)
        if await session.scalar(feature) is not None:
            raise ValidationFailed(HAS_FEATURE)
        await check_not_needed(session, team, row.id, "delete")
    elif was_active and not row.active and is_live:
        await check_not_needed(session, team, row.id, "disable")
    if is_live and row.active and not was_active and not filters_sent:
        await check_may_be_active(session, team, row.filters)
    elif is_live and (filters_sent or not was_live):
        await check_needed(session, team, row.id, row.key, row.filters)


async def _check_conflict(edit: Edit, context: FlagContext, row: FeatureFlag, body: FlagPatch) -> None:
    """Refuse where the author began with an older version, and a field of the body was changed since by somebody."""
    original = body.original_flag
    if isinstance(original, UnsetType) or original is None or body.version in {None, row.version}:
        return
    if isinstance(body.version, UnsetType):
        return
    tags = await tags_of(edit.session, row.team_id, SCOPE, [row.id])
    now = {**_shown(row), "filters": context.shown_filters(row.filters), "tags": tags.get(str(row.id), [])}
    now["evaluation_contexts"] = row.evaluation_tags
    fields = sent(body)
    if any(name in fields and name in original and original[name] != now[name] for name in now):
        author = await edit.session.get(User, row.last_modified_by_id) if row.last_modified_by_id else None
        raise Conflict(
            f"The feature flag was updated by {'another user' if author is None else author.email} since you started "
            "editing it. Please refresh and try again."
        )


async def _check_key(edit: Edit, key: str) -> None:
    same = select(FeatureFlag.id).where(
        FeatureFlag.team_id == edit.team.id, FeatureFlag.key == key, FeatureFlag.deleted.is_(False)
    )
    if await edit.session.scalar(same) is not None:
        raise _taken()
    if not key:
        raise ValidationFailed("This field may not be blank.", code="blank", attr="key")
    at_most(key, KEY_LENGTH, "key")
    if not KEY.fullmatch(key):
        raise ValidationFailed(WRONG_KEY, code="invalid_key", attr="key")


async def _make_room(edit: Edit, key: str) -> None:
    """Remove deleted flags of a key."""
    theirs = (FeatureFlag.team_id == edit.team.id, FeatureFlag.key == key, FeatureFlag.deleted.is_(True))
    for flag_id in await edit.session.scalars(select(FeatureFlag.id).where(*theirs)):
        await forget_tags(edit.session, edit.team.id, SCOPE, flag_id)
    await edit.session.execute(delete(FeatureFlag).where(*theirs))


def _taken() -> ValidationFailed:
    return ValidationFailed(TAKEN, code="unique", attr="key")


def _shown(row: FeatureFlag) -> dict[str, Any]:
    return {**{name: getattr(row, name) for name in SHOWN}, "filters": hidden(row.filters)}
