"""Users: what `/api/users/@me/` shows and changes (rest-api §4)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.crypto import PASSWORD_CHARACTERS_MAX, hash_password, verify_password
from hedgerow.core.http import Caller, NotFound, Page, PageRequest, PermissionDenied, ValidationFailed, uuid_id
from hedgerow.core.identity.models import Organization, OrganizationMembership, Project, User, UserSession
from hedgerow.core.identity.people import signed_user
from hedgerow.core.storage.metadata import Metadata
from hedgerow.workspace.organizations import organization_view
from hedgerow.workspace.schemas import OrganizationBasic, OrganizationOut, TeamBasic, organization_basic, team_basic

PASSWORD_CHARACTERS_MIN = 8


class UserOut(msgspec.Struct, frozen=True):
    """A user, whole, as they see themselves."""

    id: int
    uuid: UUID
    distinct_id: str
    date_joined: datetime
    first_name: str
    last_name: str
    email: str
    pending_email: str | None
    is_email_verified: bool | None
    notification_settings: dict[str, Any]
    anonymize_data: bool
    toolbar_mode: str
    has_password: bool
    is_staff: bool
    is_impersonated: bool
    is_impersonated_until: datetime | None
    sensitive_session_expires_at: datetime | None
    team: TeamBasic | None
    organization: OrganizationOut | None
    organizations: list[OrganizationBasic]
    events_column_config: dict[str, Any]
    is_2fa_enabled: bool
    has_social_auth: bool
    has_sso_enforcement: bool
    has_seen_product_intro_for: dict[str, Any] | None
    scene_personalisation: list[Any]
    theme_mode: str | None
    hedgehog_config: dict[str, Any] | None
    role_at_organization: str | None


class UserPatch(msgspec.Struct, frozen=True, kw_only=True):
    """What a user may change about themselves. Read-only and unknown fields are ignored."""

    first_name: Annotated[str, Meta(max_length=150)] | UnsetType = UNSET
    last_name: Annotated[str, Meta(max_length=150)] | UnsetType = UNSET
    email: Annotated[str, Meta(max_length=254)] | UnsetType = UNSET
    notification_settings: dict[str, Any] | UnsetType = UNSET
    anonymize_data: bool | UnsetType = UNSET
    toolbar_mode: Literal["disabled", "toolbar"] | UnsetType = UNSET
    events_column_config: dict[str, Any] | UnsetType = UNSET
    has_seen_product_intro_for: dict[str, Any] | UnsetType | None = UNSET
    theme_mode: Literal["light", "dark", "system"] | UnsetType | None = UNSET
    hedgehog_config: dict[str, Any] | UnsetType | None = UNSET
    role_at_organization: (
        Literal["engineering", "data", "product", "founder", "leadership", "marketing", "sales", "other", "student", ""]
        | UnsetType
        | None
    ) = UNSET
    set_current_organization: UUID | UnsetType | None = UNSET
    set_current_team: int | UnsetType | None = UNSET
    password: str | UnsetType = UNSET
    current_password: str | UnsetType = UNSET
    is_staff: bool | UnsetType = UNSET


NOTHING: Final = UserPatch()
"""An empty body."""

IN_SETTINGS: Final = (
    "anonymize_data",
    "toolbar_mode",
    "events_column_config",
    "has_seen_product_intro_for",
    "theme_mode",
    "hedgehog_config",
    "role_at_organization",
)
"""Fields that stand in the settings of the row as they were written."""

NOTIFICATIONS: Final[dict[str, Any]] = {
    "plugin_disabled": True,
    "error_tracking_issue_assigned": True,
    "discussions_mentioned": True,
    "project_weekly_digest_disabled": {},
    "all_weekly_digest_disabled": False,
}
"""The kinds of notification, and whether a user gets them who never chose."""

_EMAIL = re.compile(r"[^@\s<>()\[\],;:\\\"]+@[^@\s<>()\[\],;:\\\".]+(\.[^@\s<>()\[\],;:\\\".]+)*")


async def user_view(session: AsyncSession, user: User, caller: Caller) -> UserOut:
    """A user, whole. What they belong to is looked up now, because the caller's own copy may be older."""
    current = await signed_user(session, user.id)
    if current is None:
        raise NotFound
    seen = Caller(caller.kind, msgspec.structs.replace(caller.grant, user=current, scoped_teams=None))
    team = None if current.team_id is None else await session.get(Project, current.team_id)
    organizations = [
        (await session.get_one(Organization, organization_id), level)
        for organization_id, level in current.levels.items()
    ]
    mine = next((found for found, _ in organizations if found.id == current.organization_id), None)
    settings = user.settings
    return UserOut(
        id=user.id,
        uuid=user.uuid,
        distinct_id=user.distinct_id,
        date_joined=user.date_joined,
        first_name=user.first_name,
        last_name=user.last_name,
        email=user.email,
        pending_email=None,
        is_email_verified=settings.get("is_email_verified"),
        notification_settings={**NOTIFICATIONS, **settings.get("notification_settings", {})},
        anonymize_data=settings.get("anonymize_data", False),
        toolbar_mode=settings.get("toolbar_mode", "toolbar"),
        has_password=user.password_hash is not None,
        is_staff=user.is_staff,
        is_impersonated=False,
        is_impersonated_until=None,
        sensitive_session_expires_at=None,
        team=None if team is None else team_basic(team),
        organization=None if mine is None else await organization_view(session, mine, seen),
        organizations=[organization_basic(found, level) for found, level in organizations],
        events_column_config=settings.get("events_column_config", {"active": "DEFAULT"}),
        is_2fa_enabled=False,
        has_social_auth=False,
        has_sso_enforcement=False,
        has_seen_product_intro_for=settings.get("has_seen_product_intro_for"),
        scene_personalisation=[],
        theme_mode=settings.get("theme_mode"),
        hedgehog_config=settings.get("hedgehog_config"),
        role_at_organization=settings.get("role_at_organization"),
    )


async def page_of_users(metadata: Metadata, caller: Caller, page: PageRequest) -> Page[UserOut]:
    """Every active user of this server, by number; for staff."""
    wanted = select(User).where(User.is_active.is_(True))
    async with metadata.read() as session:
        count = await session.scalar(select(func.count()).select_from(wanted.subquery()))
        rows = (await session.scalars(wanted.order_by(User.id).limit(page.limit).offset(page.offset))).all()
        return page.page([await user_view(session, row, caller) for row in rows], count or 0)


async def change_user(
    session: AsyncSession, user: User, caller: Caller, patch: UserPatch, password_hash: str | None
) -> None:
    """Write what the patch has; `password_hash` is from `new_password_hash`.

    Raises `ValidationFailed`, `PermissionDenied`.
    """
    if patch.is_staff is not UNSET and patch.is_staff != user.is_staff:
        if not caller.user.is_staff:
            raise PermissionDenied("You are not a staff user, contact your instance admin.")
        user.is_staff = patch.is_staff
    if password_hash is not None:
        await _set_password(session, user, caller, password_hash)
    if patch.first_name is not UNSET:
        user.first_name = patch.first_name.strip()
    if patch.last_name is not UNSET:
        user.last_name = patch.last_name.strip()
    if patch.email is not UNSET:
        user.email = await free_email(session, patch.email, user.id)
    settings = dict(user.settings)
    if patch.notification_settings is not UNSET:
        settings["notification_settings"] = _notifications(settings, patch.notification_settings)
    for name in IN_SETTINGS:
        if (value := getattr(patch, name)) is not UNSET:
            settings[name] = value
    user.settings = settings
    await _change_current(session, user, patch)


async def free_email(session: AsyncSession, said: str, user_id: int | None) -> str:
    """An e-mail address in lower case that nobody else has. Raises `ValidationFailed`."""
    email = said.strip().lower()
    if not email:
        raise ValidationFailed("This field may not be blank.", attr="email", code="blank")
    if not _EMAIL.fullmatch(email):
        raise ValidationFailed("Enter a valid email address.", attr="email")
    taken = await session.scalar(select(User.id).where(User.email == email))
    if taken is not None and taken != user_id:
        raise ValidationFailed("There is already an account with this email address.", attr="email", code="unique")
    return email


def check_password(password: str) -> None:
    """Raise `ValidationFailed` for a password that is too short or too long."""
    if len(password) < PASSWORD_CHARACTERS_MIN:
        raise ValidationFailed(
            f"This password is too short. It must contain at least {PASSWORD_CHARACTERS_MIN} characters.",
            attr="password",
            code="password_too_short",
        )
    if len(password) > PASSWORD_CHARACTERS_MAX:
        raise ValidationFailed(
            f"Ensure this field has no more than {PASSWORD_CHARACTERS_MAX} characters.",
            attr="password",
            code="max_length",
        )


async def new_password_hash(metadata: Metadata, caller: Caller, said: str, patch: UserPatch) -> str | None:
    """The hash of the password that the patch sets, None if it sets none. Raises `ValidationFailed`.

    Hashing takes tens of milliseconds: it happens before the transaction that stores it.
    """
    if patch.password is UNSET:
        return None
    async with metadata.read() as session:
        stored = (await find_user(session, caller, said)).password_hash
    if stored is not None:
        if patch.current_password is UNSET:
            raise ValidationFailed(
                "This field is required when updating your password.", attr="current_password", code="required"
            )
        if not await verify_password(patch.current_password, stored):
            raise ValidationFailed(
                "Your current password is incorrect.", attr="current_password", code="incorrect_password"
            )
    check_password(patch.password)
    return await hash_password(patch.password)


async def _set_password(session: AsyncSession, user: User, caller: Caller, password_hash: str) -> None:
    """A new password ends every other session of the user."""
    user.password_hash = password_hash
    await session.execute(
        delete(UserSession).where(UserSession.user_id == user.id, UserSession.digest != caller.grant.digest)
    )


def _notifications(settings: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    found = dict(settings.get("notification_settings", {}))
    for key, value in said.items():
        if key not in NOTIFICATIONS:
            raise ValidationFailed(
                f"Key {key} is not valid as a key for notification settings", attr="notification_settings"
            )
        wanted = type(NOTIFICATIONS[key])
        if not isinstance(value, wanted):
            raise ValidationFailed(
                f"{value} is not a valid type for notification settings, should be {wanted}",
                attr="notification_settings",
            )
        found[key] = {**found.get(key, {}), **value} if isinstance(value, dict) else value
    return found


async def _change_current(session: AsyncSession, user: User, patch: UserPatch) -> None:
    """What `@current` means from now on, for every key of the user."""
    organization_id = patch.set_current_organization
    team_id = patch.set_current_team
    if not isinstance(organization_id, UUID) and not isinstance(team_id, int):
        return
    signed = await signed_user(session, user.id)
    levels = {} if signed is None else signed.levels
    if isinstance(organization_id, UUID) and organization_id not in levels:
        raise _does_not_exist("set_current_organization", organization_id)
    team: Project | None = None
    if isinstance(team_id, int):
        team = await session.get(Project, team_id) if 0 < team_id < 2**63 else None
        if team is None or team.deleted_at is not None or team.organization_id not in levels:
            raise _does_not_exist("set_current_team", team_id)
        if isinstance(organization_id, UUID) and team.organization_id != organization_id:
            raise ValidationFailed(
                "Team must belong to the same organization in set_current_organization.", attr="set_current_team"
            )
    if team is not None:
        user.current_organization_id = team.organization_id
        user.current_team_id = team.id
    elif isinstance(organization_id, UUID):
        user.current_organization_id = organization_id
        user.current_team_id = await session.scalar(
            select(Project.id)
            .where(Project.organization_id == organization_id, Project.deleted_at.is_(None))
            .order_by(Project.id)
            .limit(1)
        )


def _does_not_exist(attr: str, said: object) -> ValidationFailed:
    return ValidationFailed(f"Object with id={said} does not exist.", attr=attr, code="does_not_exist")


async def find_user(session: AsyncSession, caller: Caller, said: str) -> User:
    """The user whom a path names: `@me`, one's own UUID, for staff anybody's. Raises `PermissionDenied`, `NotFound`."""
    if said == "@me" or said.lower() == str(caller.user.uuid):
        mine = await session.get(User, caller.user.id)
        if mine is None or not mine.is_active:
            raise NotFound
        return mine
    if not caller.user.is_staff:
        raise PermissionDenied
    user = await session.scalar(select(User).where(User.uuid == uuid_id(said)))
    if user is None or not user.is_active:
        raise NotFound
    return user


async def has_memberships(session: AsyncSession, user_id: int) -> bool:
    """Whether the user belongs to any organization."""
    found = await session.scalar(
        select(OrganizationMembership.id)
        .join(Organization, Organization.id == OrganizationMembership.organization_id)
        .where(OrganizationMembership.user_id == user_id, Organization.deleted_at.is_(None))
        .limit(1)
    )
    return found is not None
