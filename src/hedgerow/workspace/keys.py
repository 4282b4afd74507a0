"""Personal API keys: make, show, roll, change (rest-api §21). The secret is shown once and stored as a digest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core import ids
from hedgerow.core.clock import Clock
from hedgerow.core.crypto import digest, mask
from hedgerow.core.http import NotFound, ValidationFailed
from hedgerow.core.identity.models import PersonalAPIKey, Project
from hedgerow.core.identity.people import SignedUser
from hedgerow.core.identity.scopes import is_scope
from hedgerow.workspace.schemas import KeyOut

KEYS_MAX: Final = 10
ENTRIES_MAX: Final = 1000

Label = Annotated[str, Meta(max_length=40)]
Scopes = Annotated[list[str], Meta(max_length=ENTRIES_MAX)]
TeamIds = Annotated[list[int], Meta(max_length=ENTRIES_MAX)]
OrganizationIds = Annotated[list[UUID], Meta(max_length=ENTRIES_MAX)]


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a key."""

    label: Label
    scopes: Scopes
    scoped_teams: TeamIds | None = None
    scoped_organizations: OrganizationIds | None = None


class KeyPatch(msgspec.Struct, frozen=True, kw_only=True):
    """What may change about a key."""

    label: Label | UnsetType = UNSET
    scopes: Scopes | UnsetType = UNSET
    scoped_teams: TeamIds | UnsetType | None = UNSET
    scoped_organizations: OrganizationIds | UnsetType | None = UNSET


NOTHING: Final = KeyPatch()
"""An empty body."""


async def keys_of(session: AsyncSession, user_id: int) -> list[PersonalAPIKey]:
    """A user's keys, newest first."""
    rows = await session.scalars(
        select(PersonalAPIKey)
        .where(PersonalAPIKey.user_id == user_id)
        .order_by(PersonalAPIKey.created_at.desc(), PersonalAPIKey.id)
    )
    return list(rows)


async def find_key(session: AsyncSession, user_id: int, key_id: str) -> PersonalAPIKey:
    """One of the user's own keys. Raises `NotFound`."""
    if not (key_id.isascii() and key_id.isalnum()):
        raise NotFound
    key = await session.get(PersonalAPIKey, key_id)
    if key is None or key.user_id != user_id:
        raise NotFound
    return key


async def make_key(session: AsyncSession, clock: Clock, user: SignedUser, new: NewKey) -> KeyOut:
    """Create a key; the answer has its secret. Raises `ValidationFailed`."""
    count = await session.scalar(
        select(func.count()).select_from(PersonalAPIKey).where(PersonalAPIKey.user_id == user.id)
    )
    if (count or 0) >= KEYS_MAX:
        raise ValidationFailed(
            f"You can only have {KEYS_MAX} personal API keys. Remove an existing key before creating a new one."
        )
    secret = ids.secret("phx_")
    key = PersonalAPIKey(
        id=ids.short_id(10),
        user_id=user.id,
        label=_label(new.label),
        digest=digest(secret),
        mask=mask(secret),
        scopes=_scopes(new.scopes),
        scoped_teams=await _teams(session, user, new.scoped_teams),
        scoped_organizations=_organizations(user, new.scoped_organizations),
        created_at=clock.now(),
        last_used_at=None,
        last_rolled_at=None,
    )
    session.add(key)
    return key_view(key, secret)


async def change_key(session: AsyncSession, user: SignedUser, key: PersonalAPIKey, patch: KeyPatch) -> None:
    """Write what the patch has. Raises `ValidationFailed`."""
    if patch.label is not UNSET:
        key.label = _label(patch.label)
    if patch.scopes is not UNSET:
        key.scopes = _scopes(patch.scopes)
    if patch.scoped_teams is not UNSET:
        key.scoped_teams = await _teams(session, user, patch.scoped_teams)
    if patch.scoped_organizations is not UNSET:
        key.scoped_organizations = _organizations(user, patch.scoped_organizations)


def roll_key(clock: Clock, key: PersonalAPIKey) -> KeyOut:
    """A new secret, in the answer; the old one stops working."""
    secret = ids.secret("phx_")
    key.digest = digest(secret)
    key.mask = mask(secret)
    key.last_rolled_at = clock.now()
    return key_view(key, secret)


def key_view(key: PersonalAPIKey, secret: str | None = None) -> KeyOut:
    """A key as it goes over the wire."""
    return KeyOut(
        id=key.id,
        label=key.label,
        value=secret,
        mask_value=key.mask,
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        last_rolled_at=key.last_rolled_at,
        user_id=key.user_id,
        scopes=key.scopes,
        scoped_teams=key.scoped_teams,
        scoped_organizations=key.scoped_organizations,
    )


def _label(said: str) -> str:
    if not (label := said.strip()):
        raise ValidationFailed("This field may not be blank.", attr="label", code="blank")
    return label


def _scopes(said: Iterable[str]) -> list[str]:
    scopes = list(dict.fromkeys(said))
    if not scopes:
        raise ValidationFailed("This list may not be empty.", attr="scopes", code="empty")
    for scope in scopes:
        if not is_scope(scope):
            raise ValidationFailed(f"Invalid scope: {scope}", attr="scopes")
    return scopes


async def _teams(session: AsyncSession, user: SignedUser, said: list[int] | None) -> list[int] | None:
    if not said:
        return said
    wanted = {team_id for team_id in said if 0 < team_id < 2**63}
    rows = await session.execute(
        select(Project.id, Project.organization_id).where(Project.id.in_(wanted), Project.deleted_at.is_(None))
    )
    mine = {team_id for team_id, organization_id in rows if organization_id in user.levels}
    if mine != set(said):
        raise ValidationFailed(
            "You must be a member of all teams that you are scoping the key to.", attr="scoped_teams"
        )
    return said


def _organizations(user: SignedUser, said: list[UUID] | None) -> list[str] | None:
    if said is None:
        return None
    if not set(said) <= user.levels.keys():
        raise ValidationFailed(
            "You must be a member of all organizations that you are scoping the key to.", attr="scoped_organizations"
        )
    return [str(organization_id) for organization_id in said]
