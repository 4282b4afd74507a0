"""Features that users may try before they are everybody's, and the flags that open them (rest-api §12)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core import ids
from hedgerow.core.http import Access, Page, PageRequest, Team, ValidationFailed
from hedgerow.core.resources import Edit, Subject, editing, find, rows_of, sent
from hedgerow.flags.dependencies import one_writer
from hedgerow.flags.filters import variants_of
from hedgerow.flags.flag_bodies import FlagPatch, NewFlag
from hedgerow.flags.flag_context import FlagContext
from hedgerow.flags.flags import ENROLLMENT, KEY_LENGTH, add_flag, write_flag
from hedgerow.flags.minimal_flag import MinimalFlag, minimal_flag
from hedgerow.flags.models import EarlyAccessFeature, FeatureFlag

SCOPE: Final = "EarlyAccessFeature"
OPEN_STAGES: Final = frozenset({"alpha", "beta", "general-availability"})
"""In these, users can enroll."""
SHOWN: Final = ("name", "description", "stage", "documentation_url", "payload")
NO_FLAG: Final = "Feature Flag with this ID does not exist"
ID_MAX: Final = 2**63
BY_GROUPS: Final = "Group-based feature flags are not supported for Early Access Features."
BY_VARIANTS: Final = "Multivariate feature flags are not supported for Early Access Features."
Stage = Literal["draft", "concept", "alpha", "beta", "general-availability", "archived"]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Address = Annotated[str, msgspec.Meta(max_length=800)]


class NewFeature(msgspec.Struct, frozen=True):
    """The body that makes one."""

    name: Name
    stage: Stage
    description: str = ""
    documentation_url: Address = ""
    payload: dict[str, Any] = {}
    feature_flag_id: int | None = None


class FeaturePatch(msgspec.Struct, frozen=True):
    """The body that changes one."""

    name: Name | UnsetType = UNSET
    stage: Stage | UnsetType = UNSET
    description: str | UnsetType = UNSET
    documentation_url: Address | UnsetType = UNSET
    payload: dict[str, Any] | UnsetType = UNSET


class FeatureOut(msgspec.Struct, frozen=True):
    """A feature, in lists and alone."""

    id: UUID
    feature_flag: MinimalFlag | None
    name: str
    description: str
    stage: str
    documentation_url: str
    payload: dict[str, Any]
    created_at: datetime


async def page_of_features(session: AsyncSession, context: FlagContext, page: PageRequest) -> Page[FeatureOut]:
    """The project's features, newest first: three statements."""
    mine = select(EarlyAccessFeature).where(EarlyAccessFeature.team_id == context.team.id)
    rows, count = await rows_of(
        session, mine.order_by(EarlyAccessFeature.created_at.desc(), EarlyAccessFeature.id.desc()), page
    )
    wanted = {row.feature_flag_id for row in rows if row.feature_flag_id is not None}
    flags = {flag.id: flag for flag in await session.scalars(select(FeatureFlag).where(FeatureFlag.id.in_(wanted)))}
    return page.page([_out(context, row, flags) for row in rows], count)


async def feature_out(session: AsyncSession, context: FlagContext, feature_id: UUID) -> FeatureOut:
    """One feature. Raises NotFound."""
    row = await find(session, EarlyAccessFeature, context.team, feature_id)
    flag = None if row.feature_flag_id is None else await session.get(FeatureFlag, row.feature_flag_id)
    return _out(context, row, {} if flag is None else {flag.id: flag})


async def create_feature(access: Access, context: FlagContext, body: NewFeature) -> UUID:
    """Store a new one, with its flag: the one that the body names, else a new one. Raises ValidationFailed."""
    async with editing(access, context.caller, context.team) as edit:
        session = edit.session
        await one_writer(session, context.team)
        if body.feature_flag_id is None:
            flag = await add_flag(edit, context, await _flag_for(session, context.team, body.name))
        else:
            flag = await _free_flag(session, context.team, body.feature_flag_id)
        row = EarlyAccessFeature(
            **edit.made(),
            id=ids.uuid7(),
            feature_flag_id=flag.id,
            name=body.name,
            description=body.description,
            stage=body.stage,
            documentation_url=body.documentation_url,
            payload=body.payload,
        )
        session.add(row)
        await _enroll(edit, context, flag, is_open=body.stage in OPEN_STAGES)
        edit.note_created(Subject(SCOPE, row.id, row.name))
    return row.id


async def change_feature(access: Access, context: FlagContext, feature_id: UUID, body: FeaturePatch) -> None:
    """Change what the body has; the stage decides whether users can enroll. Raises NotFound, ValidationFailed."""
    async with editing(access, context.caller, context.team) as edit:
        await one_writer(edit.session, context.team)
        row = await find(edit.session, EarlyAccessFeature, context.team, feature_id, to_change=True)
        before, was_open = _shown(row), row.stage in OPEN_STAGES
        for name, value in sent(body).items():
            setattr(row, name, value)
        is_open = row.stage in OPEN_STAGES
        if is_open != was_open:
            await _enroll_by_id(edit, context, row.feature_flag_id, is_open=is_open)
        edit.note_updated(Subject(SCOPE, row.id, row.name), before, _shown(row))


async def delete_feature(access: Access, context: FlagContext, feature_id: UUID) -> None:
    """Remove one; its flag stays, and nobody is enrolled by it any more. Raises NotFound."""
    async with editing(access, context.caller, context.team) as edit:
        await one_writer(edit.session, context.team)
        row = await find(edit.session, EarlyAccessFeature, context.team, feature_id, to_change=True)
        await _enroll_by_id(edit, context, row.feature_flag_id, is_open=False)
        await edit.session.delete(row)
        edit.note(Subject(SCOPE, row.id, row.name), "deleted")


async def _enroll_by_id(edit: Edit, context: FlagContext, flag_id: int | None, *, is_open: bool) -> None:
    flag = None if flag_id is None else await edit.session.get(FeatureFlag, flag_id, with_for_update=True)
    if flag is not None:
        await _enroll(edit, context, flag, is_open=is_open)


async def _enroll(edit: Edit, context: FlagContext, flag: FeatureFlag, *, is_open: bool) -> None:
    """Who enrolled gets the flag, or nobody by that any more."""
    if not is_open and not flag.filters.get("super_groups"):
        return
    condition = {"key": ENROLLMENT + flag.key, "type": "person", "operator": "exact", "value": ["true"]}
    groups = [{"properties": [condition], "rollout_percentage": 100}] if is_open else None
    if groups != flag.filters.get("super_groups"):
        await write_flag(edit, context, flag, FlagPatch(), super_groups=groups)


async def _free_flag(session: AsyncSession, team: Team, flag_id: int) -> FeatureFlag:
    """The flag that a feature may have."""
    if not 0 < flag_id < ID_MAX:
        raise ValidationFailed(NO_FLAG)
    mine = (FeatureFlag.id == flag_id, FeatureFlag.team_id == team.id, FeatureFlag.deleted.is_(False))
    flag = await session.scalar(select(FeatureFlag).where(*mine).with_for_update())
    if flag is None:
        raise ValidationFailed(NO_FLAG)
    taken = select(EarlyAccessFeature.id).where(EarlyAccessFeature.feature_flag_id == flag.id).limit(1)
    if await session.scalar(taken) is not None:
        raise ValidationFailed(f"Linked feature flag {flag.key} already has a feature attached to it.")
    if flag.filters.get("aggregation_group_type_index") is not None:
        raise ValidationFailed(BY_GROUPS)
    if variants_of(flag.filters):
        raise ValidationFailed(BY_VARIANTS)
    return flag


async def _flag_for(session: AsyncSession, team: Team, name: str) -> NewFlag:
    """The body of a flag for a feature of that name: its key is the name's slug, with a number where that is taken."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain)).strip("-_")[: KEY_LENGTH - 10] or "feature"
    mine = select(FeatureFlag.key).where(FeatureFlag.team_id == team.id, FeatureFlag.deleted.is_(False))
    taken = set(await session.scalars(mine.where(FeatureFlag.key.startswith(slug, autoescape=True))))
    key, number = slug, 1
    while key in taken:
        number += 1
        key = f"{slug}-{number}"
    return NewFlag(
        key=key,
        name=f"Feature Flag for Feature {name}",
        filters={"groups": [{"properties": [], "rollout_percentage": 0, "variant": None}]},
        creation_context="early_access_features",
    )


def _out(context: FlagContext, row: EarlyAccessFeature, flags: Mapping[int, FeatureFlag]) -> FeatureOut:
    flag = None if row.feature_flag_id is None else flags.get(row.feature_flag_id)
    return FeatureOut(
        id=row.id,
        feature_flag=None if flag is None else minimal_flag(context, flag),
        name=row.name,
        description=row.description,
        stage=row.stage,
        documentation_url=row.documentation_url,
        payload=row.payload,
        created_at=row.created_at,
    )


def _shown(row: EarlyAccessFeature) -> dict[str, Any]:
    return {name: getattr(row, name) for name in SHOWN}
