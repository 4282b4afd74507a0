"""A project as every room sees it: the settings that code decides by, cached, found by token or by number."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, update

from hedgerow.core.clock import Clock
from hedgerow.core.identity.cache import LookupCache
from hedgerow.core.identity.models import Project
from hedgerow.core.storage.metadata import Metadata

TEAM_ID_MAX = 2**63 - 1


class Team(msgspec.Struct, frozen=True):
    """A project. `settings` holds the long tail of rest-api §3 as it was written; absent means the default."""

    id: int
    uuid: UUID
    organization_id: UUID
    name: str
    api_token: str
    timezone: str
    week_start_day: int
    """0 Sunday, 1 Monday."""
    anonymize_ips: bool
    cookieless_server_hash_mode: int
    """0 off, 1 stateless, 2 stateful."""
    ingested_event: bool
    person_display_name_properties: tuple[str, ...] | None
    test_account_filters: tuple[dict[str, Any], ...]
    settings: dict[str, Any]


class Teams:
    """Every project that is not deleted; cached for 30 s, and forgotten when this process writes (`forget`)."""

    def __init__(self, metadata: Metadata, clock: Clock) -> None:
        """Look up in `metadata`."""
        self._metadata = metadata
        self._by_token: LookupCache[str, Team | None] = LookupCache(self._load_by_token, clock)
        self._by_id: LookupCache[int, Team | None] = LookupCache(self._load_by_id, clock)

    async def by_token(self, token: str) -> Team | None:
        """The project with this public token (`phc_…`). Raises `MetadataUnavailable`."""
        return await self._by_token.get(token) if 0 < len(token) <= 200 else None

    async def by_id(self, team_id: int) -> Team | None:
        """The project with this number. Raises `MetadataUnavailable`."""
        return await self._by_id.get(team_id) if 0 < team_id <= TEAM_ID_MAX else None

    async def mark_ingested(self, team_id: int) -> None:
        """Note that the project has received its first event. Cheap to call again: it asks the cache first."""
        team = await self.by_id(team_id)
        if team is None or team.ingested_event:
            return
        async with self._metadata.write() as session:
            await session.execute(update(Project).where(Project.id == team_id).values(ingested_event=True))
        self.forget()

    def forget(self) -> None:
        """Drop what is cached. Call it after every write to `projects`."""
        self._by_token.forget()
        self._by_id.forget()

    async def _load_by_token(self, token: str) -> Team | None:
        if "\0" in token or not token.isascii():
            return None  # PostgreSQL would refuse the question itself
        async with self._metadata.read() as session:
            found = await session.scalar(
                select(Project).where(Project.api_token == token, Project.deleted_at.is_(None))
            )
            return found and team_of(found)

    async def _load_by_id(self, team_id: int) -> Team | None:
        async with self._metadata.read() as session:
            found = await session.scalar(select(Project).where(Project.id == team_id, Project.deleted_at.is_(None)))
            return found and team_of(found)


def team_of(project: Project) -> Team:
    """The row as a `Team`."""
    names = project.settings.get("person_display_name_properties")
    return Team(
        id=project.id,
        uuid=project.uuid,
        organization_id=project.organization_id,
        name=project.name,
        api_token=project.api_token,
        timezone=project.timezone,
        week_start_day=project.week_start_day or 0,
        anonymize_ips=project.anonymize_ips,
        cookieless_server_hash_mode=project.cookieless_server_hash_mode or 0,
        ingested_event=project.ingested_event,
        person_display_name_properties=None if names is None else tuple(names),
        test_account_filters=tuple(project.settings.get("test_account_filters") or ()),
        settings=project.settings,
    )
