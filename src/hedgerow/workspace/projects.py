"""Projects in SQL: make, change, find, delete, and their tokens."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core import ids
from hedgerow.core.clock import Clock
from hedgerow.core.crypto import digest, mask
from hedgerow.core.http import Caller, NotFound, Page, PageRequest
from hedgerow.core.identity.models import Project, ProjectSecretToken, User
from hedgerow.core.storage.metadata import Metadata
from hedgerow.workspace.project_fields import COLUMNS, DEFAULTS, MERGED
from hedgerow.workspace.schemas import TeamBasic, team_basic


class MadeProject(NamedTuple):
    """A new project and its secret key, which is shown this once."""

    project: Project
    secret_key: str


async def page_of_projects(
    metadata: Metadata, caller: Caller, organization_id: UUID | None, page: PageRequest
) -> Page[TeamBasic]:
    """The projects of one organization that the caller may see, by number."""
    if organization_id is None or not caller.sees_organization(organization_id):
        return page.page([], 0)
    wanted = select(Project).where(Project.organization_id == organization_id, Project.deleted_at.is_(None))
    if (teams := caller.grant.scoped_teams) is not None:
        wanted = wanted.where(Project.id.in_(teams))
    async with metadata.read() as session:
        count = await session.scalar(select(func.count()).select_from(wanted.subquery()))
        rows = await session.scalars(wanted.order_by(Project.id).limit(page.limit).offset(page.offset))
        return page.page([team_basic(row) for row in rows], count or 0)


async def find_project(session: AsyncSession, project_id: int, *, to_change: bool = False) -> Project:
    """The row of a project that a guard has found, locked if it is `to_change`. A deletion in between: `NotFound`."""
    project = await session.get(Project, project_id, with_for_update=to_change)
    if project is None or project.deleted_at is not None:
        raise NotFound
    return project


async def make_project(
    session: AsyncSession, clock: Clock, organization_id: UUID, fields: dict[str, Any], user_id: int
) -> MadeProject:
    """Create a project, its tokens, and make it the current one of the user who asked."""
    moment = clock.now()
    columns = {name: fields.get(name, DEFAULTS[name]) for name in COLUMNS}
    project = Project(
        uuid=ids.uuid7(),
        organization_id=organization_id,
        api_token=ids.secret("phc_"),
        ingested_event=False,
        created_at=moment,
        updated_at=moment,
        deleted_at=None,
        settings={name: value for name, value in fields.items() if name not in COLUMNS},
        **columns,
    )
    session.add(project)
    await session.flush()
    secret_key = ids.secret("phs_")
    session.add(_secret_token(project.id, secret_key, clock, is_backup=False))
    user = await session.get_one(User, user_id)
    user.current_organization_id = organization_id
    user.current_team_id = project.id
    return MadeProject(project, secret_key)


def change_project(project: Project, clock: Clock, fields: dict[str, Any]) -> None:
    """Write the fields that `project_fields.changes` found."""
    settings = dict(project.settings)
    for name, value in fields.items():
        if name in COLUMNS:
            setattr(project, name, value)
        elif name in MERGED and isinstance(value, dict):
            settings[name] = {**(settings.get(name) or {}), **value}
        else:
            settings[name] = value
    project.settings = settings
    project.updated_at = clock.now()


def reset_token(project: Project, clock: Clock) -> None:
    """A new public token; the old one stops working."""
    project.api_token = ids.secret("phc_")
    project.updated_at = clock.now()


async def rotate_secret(session: AsyncSession, project: Project, clock: Clock) -> str:
    """A new secret key, returned; the one in use becomes the backup, the backup before it stops working."""
    await drop_backup(session, project)
    current = await session.scalar(
        select(ProjectSecretToken).where(
            ProjectSecretToken.project_id == project.id, ProjectSecretToken.is_backup.is_(False)
        )
    )
    if current is not None:
        current.is_backup = True
        await session.flush()
    secret_key = ids.secret("phs_")
    session.add(_secret_token(project.id, secret_key, clock, is_backup=False))
    project.updated_at = clock.now()
    return secret_key


async def drop_backup(session: AsyncSession, project: Project) -> None:
    """End the secret key from before the last rotation."""
    await session.execute(
        delete(ProjectSecretToken).where(
            ProjectSecretToken.project_id == project.id, ProjectSecretToken.is_backup.is_(True)
        )
    )


async def delete_project(session: AsyncSession, project: Project, clock: Clock) -> None:
    """Hide the project and end its tokens. Its rows in the stores are for a later clean-up."""
    project.deleted_at = clock.now()
    await session.execute(delete(ProjectSecretToken).where(ProjectSecretToken.project_id == project.id))


def _secret_token(project_id: int, secret_key: str, clock: Clock, *, is_backup: bool) -> ProjectSecretToken:
    return ProjectSecretToken(
        project_id=project_id,
        is_backup=is_backup,
        digest=digest(secret_key),
        mask=mask(secret_key),
        created_at=clock.now(),
        last_used_at=None,
    )
