"""The objects of the workspace as they go over the wire (rest-api §1.8, §2, §3, §4, §21)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from hedgerow.core.identity.models import Organization, Project
from hedgerow.core.identity.people import UserBasic
from hedgerow.workspace.project_fields import DEFAULTS


class TeamBasic(msgspec.Struct, frozen=True):
    """A project in lists, and as the `team` of a user."""

    id: int
    uuid: UUID
    organization: UUID
    project_id: int
    api_token: str
    name: str
    completed_snippet_onboarding: bool
    has_completed_onboarding_for: dict[str, Any] | None
    ingested_event: bool
    is_demo: bool
    timezone: str
    access_control: bool


class ProjectBasic(msgspec.Struct, frozen=True):
    """A project in its organization's `projects`."""

    id: int
    organization_id: UUID
    name: str


class OrganizationBasic(msgspec.Struct, frozen=True):
    """An organization in the `organizations` of a user."""

    id: UUID
    name: str
    slug: str
    logo_media_id: UUID | None
    membership_level: int
    members_can_use_personal_api_keys: bool
    is_active: bool | None
    is_not_active_reason: str | None
    is_pending_deletion: bool | None


class Feature(msgspec.Struct, frozen=True):
    """Something that the organization may use."""

    key: str
    name: str


class InstanceTag(msgspec.Struct, frozen=True):
    """`metadata` of an organization."""

    instance_tag: str = "none"


class OrganizationOut(msgspec.Struct, frozen=True):
    """An organization, whole."""

    id: UUID
    name: str
    slug: str
    logo_media_id: UUID | None
    created_at: datetime
    updated_at: datetime
    membership_level: int | None
    plugins_access_level: int
    teams: list[TeamBasic]
    projects: list[ProjectBasic]
    available_product_features: list[Feature]
    is_member_join_email_enabled: bool
    metadata: InstanceTag
    customer_id: str | None
    enforce_2fa: bool | None
    members_can_invite: bool | None
    members_can_use_personal_api_keys: bool
    allow_publicly_shared_resources: bool
    member_count: int
    is_ai_data_processing_approved: bool | None
    default_experiment_stats_method: Literal["bayesian", "frequentist"] | None
    default_role_id: str | None


class MemberOut(msgspec.Struct, frozen=True):
    """A user in an organization."""

    id: UUID
    user: UserBasic
    level: int
    joined_at: datetime
    updated_at: datetime
    is_2fa_enabled: bool
    has_social_auth: bool
    last_login: datetime | None


class KeyOut(msgspec.Struct, frozen=True):
    """A personal API key. `value` is there once: when it was made or rolled."""

    id: str
    label: str
    value: str | None
    mask_value: str | None
    created_at: datetime
    last_used_at: datetime | None
    last_rolled_at: datetime | None
    user_id: int
    scopes: list[str]
    scoped_teams: list[int] | None
    scoped_organizations: list[str] | None


def team_basic(project: Project) -> TeamBasic:
    """The row in the form of lists."""
    settings = {**DEFAULTS, **project.settings}
    return TeamBasic(
        id=project.id,
        uuid=project.uuid,
        organization=project.organization_id,
        project_id=project.id,
        api_token=project.api_token,
        name=project.name,
        completed_snippet_onboarding=settings["completed_snippet_onboarding"],
        has_completed_onboarding_for=settings["has_completed_onboarding_for"],
        ingested_event=project.ingested_event,
        is_demo=settings["is_demo"],
        timezone=project.timezone,
        access_control=settings["access_control"],
    )


def organization_basic(organization: Organization, level: int) -> OrganizationBasic:
    """The row in the form of a user's list."""
    settings = organization.settings
    return OrganizationBasic(
        id=organization.id,
        name=organization.name,
        slug=organization.slug,
        logo_media_id=settings.get("logo_media_id"),
        membership_level=level,
        members_can_use_personal_api_keys=settings.get("members_can_use_personal_api_keys", True),
        is_active=True,
        is_not_active_reason=None,
        is_pending_deletion=False,
    )
