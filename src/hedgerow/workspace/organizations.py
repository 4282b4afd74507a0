"""Organizations and their members in SQL (rest-api §2)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Select, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core import ids
from hedgerow.core.clock import Clock
from hedgerow.core.http import Caller, NotFound, Page, PageRequest, PermissionDenied, ValidationFailed, at_most
from hedgerow.core.identity.models import Organization, OrganizationMembership, Project, User
from hedgerow.core.identity.people import ADMIN, OWNER, SignedUser, user_basic
from hedgerow.core.storage.metadata import Metadata
from hedgerow.workspace.projects import delete_project
from hedgerow.workspace.schemas import (
    Feature,
    InstanceTag,
    MemberOut,
    OrganizationOut,
    ProjectBasic,
    team_basic,
)

FEATURES = tuple(
    Feature(key, key.replace("_", " ").capitalize())
    for key in (
        "advanced_permissions",
        "data_pipelines",
        "early_access_feature_management",
        "group_analytics",
        "organizations_projects",
        "paths_advanced",
        "recordings_file_export",
        "session_replay_sampling",
        "surveys_styling",
        "tagging",
    )
)
"""What PostHog sells as features; here everybody has all of it."""


class OrganizationPatch(msgspec.Struct, frozen=True, kw_only=True):
    """What may be sent to create or change an organization."""

    name: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    logo_media_id: UUID | UnsetType | None = UNSET
    is_member_join_email_enabled: bool | UnsetType = UNSET
    enforce_2fa: bool | UnsetType | None = UNSET
    members_can_invite: bool | UnsetType | None = UNSET
    members_can_use_personal_api_keys: bool | UnsetType = UNSET
    allow_publicly_shared_resources: bool | UnsetType = UNSET
    is_ai_data_processing_approved: bool | UnsetType | None = UNSET
    default_experiment_stats_method: Literal["bayesian", "frequentist"] | UnsetType | None = UNSET
    default_role_id: Annotated[str, Meta(max_length=100)] | UnsetType | None = UNSET


SEARCH_LENGTH = 200
NOTHING = OrganizationPatch()
"""An empty body."""


class MemberPatch(msgspec.Struct, frozen=True):
    """A new level of a member."""

    level: Literal[1, 8, 15]


def changes(patch: OrganizationPatch) -> dict[str, Any]:
    """The fields that the patch has, checked, as they are stored. Raises `ValidationFailed`."""
    found = {
        name: str(value) if isinstance(value, UUID) else value
        for name in OrganizationPatch.__struct_fields__
        if (value := getattr(patch, name)) is not UNSET
    }
    if "name" in found:
        found["name"] = found["name"].strip()
        if not found["name"]:
            raise ValidationFailed("This field may not be blank.", attr="name", code="blank")
    return found


async def find_organization(session: AsyncSession, organization_id: UUID, *, to_change: bool = False) -> Organization:
    """The row, locked if it is `to_change`. Raises `NotFound`."""
    organization = await session.get(Organization, organization_id, with_for_update=to_change)
    if organization is None or organization.deleted_at is not None:
        raise NotFound
    return organization


async def make_organization(
    session: AsyncSession, clock: Clock, fields: dict[str, Any], user_id: int
) -> tuple[Organization, OrganizationMembership]:
    """Create an organization with its first member, who owns it and whose current one it becomes."""
    moment = clock.now()
    name = fields["name"]
    organization = Organization(
        id=ids.uuid7(),
        name=name,
        slug=await _free_slug(session, name),
        created_at=moment,
        updated_at=moment,
        deleted_at=None,
        settings={key: value for key, value in fields.items() if key != "name"},
    )
    session.add(organization)
    await session.flush()
    membership = OrganizationMembership(
        id=ids.uuid7(),
        organization_id=organization.id,
        user_id=user_id,
        level=OWNER,
        joined_at=moment,
        updated_at=moment,
    )
    session.add(membership)
    user = await session.get_one(User, user_id)
    user.current_organization_id = organization.id
    user.current_team_id = None
    return organization, membership


async def _free_slug(session: AsyncSession, name: str) -> str:
    """The name as a word for URLs, with an ending where it is taken."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:36] or "organization"
    taken = await session.scalar(select(Organization.id).where(Organization.slug == slug))
    return slug if taken is None else f"{slug}-{ids.short_id(10).lower()}"


def change_organization(organization: Organization, clock: Clock, fields: dict[str, Any]) -> None:
    """Write the fields that `changes` found."""
    settings = dict(organization.settings)
    for name, value in fields.items():
        if name == "name":
            organization.name = value
        else:
            settings[name] = value
    organization.settings = settings
    organization.updated_at = clock.now()


async def delete_organization(session: AsyncSession, organization: Organization, clock: Clock) -> None:
    """Hide the organization and all its projects. Their rows in the stores are for a later clean-up."""
    organization.deleted_at = clock.now()
    await session.execute(
        delete(OrganizationMembership).where(OrganizationMembership.organization_id == organization.id)
    )
    projects = await session.scalars(
        select(Project).where(Project.organization_id == organization.id, Project.deleted_at.is_(None))
    )
    for project in projects:
        await delete_project(session, project, clock)


async def page_of_organizations(metadata: Metadata, caller: Caller, page: PageRequest) -> Page[OrganizationOut]:
    """The caller's organizations, oldest membership first."""
    visible = [found for found in caller.user.levels if caller.sees_organization(found)]
    async with metadata.read() as session:
        rows = [
            await organization_view(session, await session.get_one(Organization, organization_id), caller)
            for organization_id in visible[page.offset : page.offset + page.limit]
        ]
    return page.page(rows, len(visible))


async def organization_view(
    session: AsyncSession, organization: Organization, caller: Caller, *, level: int | None = None
) -> OrganizationOut:
    """An organization, whole, with the projects that the caller may see. `level` is theirs, if it is new."""
    rows = await session.scalars(
        select(Project)
        .where(Project.organization_id == organization.id, Project.deleted_at.is_(None))
        .order_by(Project.id)
    )
    teams = caller.grant.scoped_teams
    projects = [row for row in rows if teams is None or row.id in teams]
    members = await session.scalar(select(func.count()).select_from(_active_members(organization.id, "").subquery()))
    settings = organization.settings
    return OrganizationOut(
        id=organization.id,
        name=organization.name,
        slug=organization.slug,
        logo_media_id=settings.get("logo_media_id"),
        created_at=organization.created_at,
        updated_at=organization.updated_at,
        membership_level=level or caller.level_in(organization.id) or None,
        plugins_access_level=9,
        teams=[team_basic(row) for row in projects],
        projects=[ProjectBasic(row.id, row.organization_id, row.name) for row in projects],
        available_product_features=list(FEATURES),
        is_member_join_email_enabled=settings.get("is_member_join_email_enabled", True),
        metadata=InstanceTag(),
        customer_id=None,
        enforce_2fa=settings.get("enforce_2fa"),
        members_can_invite=settings.get("members_can_invite", True),
        members_can_use_personal_api_keys=settings.get("members_can_use_personal_api_keys", True),
        allow_publicly_shared_resources=settings.get("allow_publicly_shared_resources", True),
        member_count=members or 0,
        is_ai_data_processing_approved=settings.get("is_ai_data_processing_approved"),
        default_experiment_stats_method=settings.get("default_experiment_stats_method"),
        default_role_id=settings.get("default_role_id"),
    )


# Members

Membership = tuple[OrganizationMembership, User]


def _active_members(organization_id: UUID, order: str) -> Select[OrganizationMembership, User]:
    joined = OrganizationMembership.joined_at
    return (
        select(OrganizationMembership, User)
        .join(User, User.id == OrganizationMembership.user_id)
        .where(OrganizationMembership.organization_id == organization_id, User.is_active.is_(True))
        .order_by(joined if order == "joined_at" else joined.desc(), User.id)
    )


async def page_of_members(
    metadata: Metadata, organization_id: UUID, page: PageRequest, parameters: dict[str, str]
) -> Page[MemberOut]:
    """Active members, newest first; `email`, `search` and `order` as rest-api §2 says. Raises `ValidationFailed`."""
    search = parameters.get("search", "")
    at_most(search, SEARCH_LENGTH, "search")
    wanted = _active_members(organization_id, parameters.get("order", ""))
    if email := parameters.get("email"):
        wanted = wanted.where(User.email == _storable(email).lower())
    if search:
        pattern = f"%{_storable(search).lower().translate(_LIKE)}%"
        columns = (User.email, User.first_name, User.last_name)
        wanted = wanted.where(or_(*(func.lower(column).like(pattern, escape="\\") for column in columns)))
    async with metadata.read() as session:
        count = await session.scalar(select(func.count()).select_from(wanted.subquery()))
        rows = (await session.execute(wanted.limit(page.limit).offset(page.offset))).all()
    return page.page([member_view(*row) for row in rows], count or 0)


_LIKE = str.maketrans({"%": "\\%", "_": "\\_", "\\": "\\\\"})


def _storable(text: str) -> str:
    """Text that a database can be asked for: one with NUL or half a surrogate pair cannot be stored anyway."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


async def find_member(session: AsyncSession, organization_id: UUID, user_uuid: UUID) -> Membership:
    """The membership of a user, and the user. Raises `NotFound`."""
    found: Sequence[Membership] = (
        await session.execute(_active_members(organization_id, "").where(User.uuid == user_uuid))
    ).all()
    if not found:
        raise NotFound
    return found[0]


def check_level_change(caller: SignedUser, own_level: int, target: OrganizationMembership, level: int) -> None:
    """Raise `PermissionDenied` where the caller may not give that level (rest-api §2, in its words)."""
    if target.user_id == caller.id:
        raise PermissionDenied("You can't change your own access level.")
    if own_level < ADMIN:
        raise PermissionDenied("You can only edit others if you are an admin.")
    if target.level > own_level:
        raise PermissionDenied("You can only edit others with level lower or equal to you.")
    if level == OWNER and own_level < OWNER:
        raise PermissionDenied("You can only make another member owner if you're this organization's owner.")
    if level > own_level:
        raise PermissionDenied("You can only change access level of others to lower or equal to your current one.")


async def remove_member(
    session: AsyncSession, caller: SignedUser, own_level: int, target: OrganizationMembership
) -> None:
    """End a membership. Raises `PermissionDenied`; the last owner cannot go, or nobody could delete the organization."""
    if target.user_id != caller.id:
        if own_level < ADMIN:
            raise PermissionDenied("You can only edit others if you are an admin.")
        if target.level > own_level:
            raise PermissionDenied("You can only edit others with level lower or equal to you.")
    if target.level == OWNER and await _owners(session, target.organization_id) == 1:
        raise PermissionDenied("An organization needs an owner. Make another member owner first.")
    await session.delete(target)


async def _owners(session: AsyncSession, organization_id: UUID) -> int:
    owners = _active_members(organization_id, "").where(OrganizationMembership.level == OWNER)
    return await session.scalar(select(func.count()).select_from(owners.subquery())) or 0


def member_view(membership: OrganizationMembership, user: User) -> MemberOut:
    """A member as it goes over the wire."""
    return MemberOut(
        id=membership.id,
        user=user_basic(user),
        level=membership.level,
        joined_at=membership.joined_at,
        updated_at=membership.updated_at,
        is_2fa_enabled=False,
        has_social_auth=False,
        last_login=user.last_login,
    )
