"""From a secret to who holds it: personal keys, project secrets, OAuth tokens, sign-in sessions.

What was found is kept for 30 s under the secret's digest, so that a request costs a hash and a dictionary look-up.
That a key was used is noted at most once an hour, by a task of its own: no request waits for it.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import CursorResult, select, update

from hedgerow.core.clock import Clock
from hedgerow.core.crypto import digest
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.identity.cache import LookupCache
from hedgerow.core.identity.models import (
    OAuthAccessToken,
    PersonalAPIKey,
    Project,
    ProjectSecretToken,
    UserSession,
)
from hedgerow.core.identity.people import SignedUser, signed_user
from hedgerow.core.identity.scopes import EVERYTHING, granted
from hedgerow.core.storage.metadata import Metadata
from hedgerow.core.telemetry import log

USE_NOTED_EVERY = timedelta(hours=1)
NOTED_MAX = 50_000
SECRET_CHARACTERS_MAX = 400

Used = type[PersonalAPIKey] | type[ProjectSecretToken] | type[OAuthAccessToken] | type[UserSession]


class Grant(msgspec.Struct, frozen=True):
    """What a secret gives: to whom, what, and where. `None` for teams and organizations is "all of the user's"."""

    digest: str
    user: SignedUser | None
    """None for a project secret: it is nobody's."""
    team_id: int | None
    """The project of a project secret."""
    key_id: str | None
    """The id of a personal key."""
    scopes: frozenset[str]
    scoped_teams: frozenset[int] | None
    scoped_organizations: frozenset[UUID] | None
    expires_at: datetime | None
    last_used_at: datetime | None
    resource: str | None = None
    """The path of the one resource that an OAuth token is for; None is the API."""


class Credentials:
    """Finds grants by their secrets. One for the process; `close` it before the database."""

    def __init__(self, metadata: Metadata, clock: Clock) -> None:
        """Look up in `metadata`."""
        self._metadata = metadata
        self._clock = clock
        self._personal = LookupCache(self._load_personal, clock, absence=False)
        self._secrets = LookupCache(self._load_secret, clock, absence=False)
        self._oauth = LookupCache(self._load_oauth, clock, absence=False)
        self._sessions = LookupCache(self._load_session, clock, absence=False)
        self._noted: dict[str, datetime] = {}
        self._notes: set[asyncio.Task[None]] = set()

    async def personal_key(self, secret: str) -> Grant | None:
        """Who holds this personal key (`phx_…`, or an old one without a prefix)."""
        return await self._grant(self._personal, PersonalAPIKey, secret)

    async def project_secret(self, secret: str) -> Grant | None:
        """Which project this secret key (`phs_…`) belongs to; the one before a rotation counts until it is deleted."""
        return await self._grant(self._secrets, ProjectSecretToken, secret)

    async def oauth_token(self, secret: str, *, resource: str | None = None) -> Grant | None:
        """Who granted this OAuth token (`pha_…`). May have expired: look at `expires_at`.

        A token that was issued for one resource, such as `/mcp`, is found by that resource alone, one that was issued
        for the API by None (RFC 8707, gateway §6.7).
        """
        if not secret.startswith("pha_"):
            return None
        grant = await self._grant(self._oauth, OAuthAccessToken, secret)
        return grant if grant is not None and grant.resource == resource else None

    async def session(self, secret: str) -> Grant | None:
        """Who signed in with this session cookie, unless it has expired."""
        grant = await self._grant(self._sessions, UserSession, secret)
        return None if grant is None or self.has_expired(grant) else grant

    def has_expired(self, grant: Grant) -> bool:
        """Whether the grant's time is over."""
        return grant.expires_at is not None and grant.expires_at <= self._clock.now()

    def forget(self) -> None:
        """Drop what is cached. Call it after every write to users, memberships, projects, keys or sessions."""
        for cache in (self._personal, self._secrets, self._oauth, self._sessions):
            cache.forget()

    async def close(self) -> None:
        """Wait for the notes of use that are being written."""
        while self._notes:
            await asyncio.gather(*self._notes, return_exceptions=True)

    async def _grant(self, cache: LookupCache[str, Grant | None], table: Used, secret: str) -> Grant | None:
        if not 0 < len(secret) <= SECRET_CHARACTERS_MAX:
            return None
        grant = await cache.get(digest(secret))
        if grant is not None:
            self._note_use(table, grant)
        return grant

    def _note_use(self, table: Used, grant: Grant) -> None:
        now = self._clock.now()
        noted = self._noted.get(grant.digest, grant.last_used_at)
        if noted is not None and now - noted < USE_NOTED_EVERY:
            return
        if len(self._noted) >= NOTED_MAX:
            self._noted.clear()  # what is forgotten is noted once more
        self._noted[grant.digest] = now
        task = asyncio.get_running_loop().create_task(self._write_use(table, grant.digest, now))
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def _write_use(self, table: Used, secret_digest: str, moment: datetime) -> None:
        try:
            async with self._metadata.write() as session:
                result: CursorResult[Any] = await session.execute(  # pyright: ignore[reportAssignmentType]
                    update(table).where(table.digest == secret_digest).values(last_used_at=moment)
                )
                if not result.rowcount:
                    self._noted.pop(secret_digest, None)
        except MetadataUnavailable as error:
            self._noted.pop(secret_digest, None)
            log("identity").warning("use_not_noted", table=table.__tablename__, error=str(error))

    async def _load_personal(self, secret_digest: str) -> Grant | None:
        async with self._metadata.read() as session:
            key = await session.scalar(select(PersonalAPIKey).where(PersonalAPIKey.digest == secret_digest))
            user = key and await signed_user(session, key.user_id)
        if key is None or user is None:
            return None
        return _limited(key, user, key_id=key.id, expires_at=None, scopes=key.scopes or [EVERYTHING], resource=None)

    async def _load_oauth(self, secret_digest: str) -> Grant | None:
        async with self._metadata.read() as session:
            token = await session.scalar(select(OAuthAccessToken).where(OAuthAccessToken.digest == secret_digest))
            user = token and await signed_user(session, token.user_id)
        if token is None or user is None:
            return None
        return _limited(
            token, user, key_id=None, expires_at=token.expires_at, scopes=token.scopes, resource=token.resource
        )

    async def _load_secret(self, secret_digest: str) -> Grant | None:
        async with self._metadata.read() as session:
            token = await session.scalar(
                select(ProjectSecretToken)
                .join(Project, Project.id == ProjectSecretToken.project_id)
                .where(ProjectSecretToken.digest == secret_digest, Project.deleted_at.is_(None))
            )
        return token and Grant(
            digest=token.digest,
            user=None,
            team_id=token.project_id,
            key_id=None,
            scopes=frozenset(),
            scoped_teams=None,
            scoped_organizations=None,
            expires_at=None,
            last_used_at=token.last_used_at,
        )

    async def _load_session(self, secret_digest: str) -> Grant | None:
        async with self._metadata.read() as session:
            row = await session.get(UserSession, secret_digest)
            user = row and await signed_user(session, row.user_id)
        if row is None or user is None:
            return None
        return Grant(
            digest=row.digest,
            user=user,
            team_id=None,
            key_id=None,
            scopes=frozenset({EVERYTHING}),
            scoped_teams=None,
            scoped_organizations=None,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
        )


def _limited(
    row: PersonalAPIKey | OAuthAccessToken,
    user: SignedUser,
    *,
    key_id: str | None,
    expires_at: datetime | None,
    scopes: list[str],
    resource: str | None,
) -> Grant:
    organizations = row.scoped_organizations
    return Grant(
        digest=row.digest,
        user=user,
        team_id=None,
        key_id=key_id,
        scopes=granted(scopes),
        scoped_teams=frozenset(row.scoped_teams) if row.scoped_teams else None,
        scoped_organizations=frozenset(map(UUID, organizations)) if organizations else None,
        expires_at=expires_at,
        last_used_at=row.last_used_at,
        resource=resource,
    )
