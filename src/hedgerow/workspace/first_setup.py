"""What `hedgerow init` creates in an empty folder: an organization, a project, a user, and their keys."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core import ids
from hedgerow.core.clock import Clock
from hedgerow.core.crypto import hash_password
from hedgerow.core.identity.models import Organization, Project, User
from hedgerow.core.identity.people import signed_user
from hedgerow.core.identity.scopes import EVERYTHING
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings
from hedgerow.workspace.keys import NewKey, make_key
from hedgerow.workspace.organizations import make_organization
from hedgerow.workspace.projects import make_project

EMAIL = "you@hedgerow.localhost"
ONE_AT_A_TIME = 4_839_117_221
"""The number of the PostgreSQL advisory lock of the first set-up."""


class FirstSetup(msgspec.Struct, frozen=True):
    """What `hedgerow init --json` prints. Secrets are there only when this call created them."""

    created: bool
    url: str
    organization_id: str
    project_id: int
    project_token: str
    project_secret_key: str | None
    personal_api_key: str | None
    gateway_key: str | None
    """What `FirstGateway` made; null where nobody gave one."""
    email: str
    password: str | None

    def printed(self) -> dict[str, object]:
        """The object to print: all names, or without the secrets where they are not known any more."""
        fields = msgspec.structs.asdict(self)
        del fields["created"]
        if not self.created:
            for secret in ("project_secret_key", "personal_api_key", "gateway_key", "password"):
                del fields[secret]
        return fields


FirstGateway = Callable[[AsyncSession, User, Organization, Project], str]
"""Puts a gateway key and a connection to this very server into the same transaction, and gives the key."""


async def first_setup(
    metadata: Metadata, settings: Settings, clock: Clock, *, email: str = EMAIL, gateway: FirstGateway | None = None
) -> FirstSetup:
    """Create what an empty database needs; on any other, say what is there. Safe to call from many processes at once."""
    password = ids.secret("", 20)
    password_hash = await hash_password(password)
    async with metadata.write() as session:
        if metadata.dialect == "postgresql":
            await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ONE_AT_A_TIME})
        found = await _existing(session, settings)
        if found is not None:
            return found
        return await _create(
            session, settings, clock, email=email, password=password, password_hash=password_hash, gateway=gateway
        )


async def _existing(session: AsyncSession, settings: Settings) -> FirstSetup | None:
    """The oldest organization's first project and oldest user, if there are any."""
    row = (
        await session.execute(
            select(Organization, Project)
            .join(Project, Project.organization_id == Organization.id)
            .where(Organization.deleted_at.is_(None), Project.deleted_at.is_(None))
            .order_by(Project.id)
            .limit(1)
        )
    ).first()
    user = await session.scalar(select(User).order_by(User.id).limit(1))
    if row is None or user is None:
        return None
    organization, project = row
    return FirstSetup(
        created=False,
        url=settings.origin,
        organization_id=str(organization.id),
        project_id=project.id,
        project_token=project.api_token,
        project_secret_key=None,
        personal_api_key=None,
        gateway_key=None,
        email=user.email,
        password=None,
    )


async def _create(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    *,
    email: str,
    password: str,
    password_hash: str,
    gateway: FirstGateway | None,
) -> FirstSetup:
    user = User(
        uuid=ids.uuid7(),
        distinct_id=ids.secret("", 43),
        email=email,
        first_name="",
        last_name="",
        password_hash=password_hash,
        is_active=True,
        is_staff=True,
        date_joined=clock.now(),
        last_login=None,
        current_organization_id=None,
        current_team_id=None,
        settings={"is_email_verified": True},
    )
    session.add(user)
    await session.flush()
    organization, _ = await make_organization(session, clock, {"name": "Default organization"}, user.id)
    made = await make_project(session, clock, organization.id, {}, user.id)
    await session.flush()
    signed = await signed_user(session, user.id)
    assert signed is not None
    key = await make_key(session, clock, signed, NewKey(label="Made by hedgerow init", scopes=[EVERYTHING]))
    return FirstSetup(
        created=True,
        url=settings.origin,
        organization_id=str(organization.id),
        project_id=made.project.id,
        project_token=made.project.api_token,
        project_secret_key=made.secret_key,
        personal_api_key=key.value,
        gateway_key=None if gateway is None else gateway(session, user, organization, made.project),
        email=email,
        password=password,
    )
