"""Consent, codes and tokens in SQL: issued, redeemed, refreshed, taken back (gateway §6.3, §6.4, §6.7).

One consent is one grant. Everything that came of it hangs on the grant's row, so taking a grant back is deleting that row.
A code or refresh token that is used where it must not be takes its grant with it: either the application or a thief has it
twice, and nobody can tell which (RFC 9700 §2.1.1, §4.14).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core import ids
from hedgerow.core.clock import Clock
from hedgerow.core.crypto import digest
from hedgerow.core.identity.models import (
    OAuthAccessToken,
    OAuthApplication,
    OAuthCode,
    OAuthGrant,
    OAuthRefreshToken,
)
from hedgerow.core.identity.people import SignedUser, signed_user
from hedgerow.core.storage.metadata import Metadata
from hedgerow.oauth import pkce
from hedgerow.oauth.clients import Client
from hedgerow.oauth.errors import Refused
from hedgerow.oauth.scopes import narrowed
from hedgerow.oauth.successors import ACCESS, REFRESH, new_salt, successor

CODE_SECONDS: Final = 300
REFRESH_IDLE: Final = timedelta(days=30)
GRACE: Final = timedelta(seconds=120)
"""How long a refresh token that was just replaced is answered with the same successor again: the answer may have got lost."""
ACCESS_TOKENS_MAX: Final = 50
"""Of one grant at the same time; older ones go."""
EXPIRED_KEPT: Final = timedelta(days=30)
"""How long an expired token is still told from one that never was."""

Resource = str | None | UnsetType
"""The path of the one resource that is asked for; None is the API; UNSET is whatever was granted."""


class Consent(msgspec.Struct, frozen=True):
    """What a user lets an application do."""

    user_id: int
    client: Client
    scopes: list[str]
    scoped_teams: list[int] | None
    scoped_organizations: list[str] | None
    resource: str | None
    redirect_uri: str
    redirect_uri_said: bool
    code_challenge: str
    nonce: str | None


class Presented(msgspec.Struct, frozen=True):
    """A code, and what must come with it."""

    code: str
    redirect_uri: str | None
    verifier: str
    resource: Resource = UNSET


class Issued(msgspec.Struct, frozen=True):
    """Tokens that were just made, and what they stand for."""

    access_token: str
    refresh_token: str | None
    expires_at: datetime
    scopes: list[str]
    scoped_teams: list[int]
    scoped_organizations: list[str]
    user: SignedUser
    nonce: str | None = None


class Seen(msgspec.Struct, frozen=True):
    """An access token as introspection shows it."""

    application_id: UUID
    client_id: str
    client_name: str
    scopes: list[str]
    scoped_teams: list[int]
    scoped_organizations: list[str]
    expires_at: datetime


class Grants:
    """Everything that users let applications do."""

    def __init__(self, metadata: Metadata, clock: Clock, *, rotate_self_made: bool, forget: Callable[[], None]) -> None:
        """`forget` drops what was cached of tokens; `rotate_self_made` replaces refresh tokens of every application."""
        self._metadata = metadata
        self._clock = clock
        self._rotate_self_made = rotate_self_made
        self._forget = forget

    async def code(self, consent: Consent) -> str:
        """A code that stands for a consent. Raises `MetadataUnavailable`."""
        secret = ids.secret("", 43)
        now = self._clock.now()
        grant = OAuthGrant(
            id=ids.uuid7(),
            application_id=consent.client.id,
            user_id=consent.user_id,
            scopes=consent.scopes,
            scoped_teams=consent.scoped_teams,
            scoped_organizations=consent.scoped_organizations,
            resource=consent.resource,
            created_at=now,
        )
        async with self._metadata.write() as session:
            await _sweep(session, now)
            session.add(grant)
            await session.flush()
            session.add(
                OAuthCode(
                    digest=digest(secret),
                    grant_id=grant.id,
                    redirect_uri=consent.redirect_uri,
                    redirect_uri_said=consent.redirect_uri_said,
                    code_challenge=consent.code_challenge,
                    nonce=consent.nonce,
                    created_at=now,
                    expires_at=now + timedelta(seconds=CODE_SECONDS),
                )
            )
        return secret

    async def redeem(self, client: Client, code: Presented) -> Issued:
        """Tokens for a code, once. Raises `Refused`, `MetadataUnavailable`."""
        async with self._metadata.write() as session:  # a refusal is returned, so that what it takes back is stored
            outcome = await self._redeem(session, client, code)
        return self._told(outcome)

    async def refresh(self, client: Client, secret: str, *, scope: str | None, resource: Resource = UNSET) -> Issued:
        """New tokens for a refresh token, of the same scopes or fewer. Raises `Refused`, `MetadataUnavailable`."""
        if not secret.startswith(REFRESH):
            raise _invalid("The refresh token is not valid.")
        async with self._metadata.write() as session:
            outcome = await self._refresh(session, client, secret, scope=scope, resource=resource)
        return self._told(outcome)

    async def revoke(self, client: Client, secret: str) -> None:
        """Take back everything that the token's user let this application do; nothing for a token that is not its own."""
        table = OAuthRefreshToken if secret.startswith(REFRESH) else OAuthAccessToken
        async with self._metadata.write() as session:
            user_id = await session.scalar(
                select(OAuthGrant.user_id)
                .join(table, table.grant_id == OAuthGrant.id)
                .where(table.digest == digest(secret), OAuthGrant.application_id == client.id)
            )
            if user_id is None:
                return
            await session.execute(
                delete(OAuthGrant).where(OAuthGrant.user_id == user_id, OAuthGrant.application_id == client.id)
            )
        self._forget()

    async def seen(self, secret: str) -> Seen | None:
        """An access token that is valid now; None for any other text. Raises `MetadataUnavailable`."""
        if not secret.startswith(ACCESS):
            return None
        async with self._metadata.read() as session:
            row = (
                await session.execute(
                    select(OAuthAccessToken, OAuthApplication)
                    .join(OAuthGrant, OAuthGrant.id == OAuthAccessToken.grant_id)
                    .join(OAuthApplication, OAuthApplication.id == OAuthGrant.application_id)
                    .where(OAuthAccessToken.digest == digest(secret))
                )
            ).first()
            if row is None or await signed_user(session, row[0].user_id) is None:
                return None
        token, application = row
        if token.expires_at <= self._clock.now():
            return None
        return Seen(
            application_id=application.id,
            client_id=application.client_id,
            client_name=application.name,
            scopes=token.scopes,
            scoped_teams=token.scoped_teams or [],
            scoped_organizations=token.scoped_organizations or [],
            expires_at=token.expires_at,
        )

    def _told(self, outcome: Issued | Refused) -> Issued:
        if isinstance(outcome, Refused):
            self._forget()  # it may have taken tokens back
            raise outcome
        return outcome

    async def _redeem(self, session: AsyncSession, client: Client, shown: Presented) -> Issued | Refused:
        now = self._clock.now()
        row = await session.scalar(select(OAuthCode).where(OAuthCode.digest == digest(shown.code)).with_for_update())
        grant = row and await session.get(OAuthGrant, row.grant_id)
        if row is None or grant is None or grant.application_id != client.id:
            return _invalid("The code is not valid.")
        if row.used_at is not None:
            await session.delete(grant)
            return _invalid("The code was used before: everything that was issued for it is taken back.")
        if row.expires_at <= now:
            return _invalid("The code has expired.")
        if shown.redirect_uri != row.redirect_uri and (shown.redirect_uri is not None or row.redirect_uri_said):
            return _invalid("The redirect_uri is not the one that the code was issued for.")
        if not pkce.proves(shown.verifier, row.code_challenge):
            return _invalid("The code_verifier does not fit the code_challenge.")
        if shown.resource not in {UNSET, grant.resource}:
            return _other_resource()
        user = await signed_user(session, grant.user_id)
        if user is None:
            return _invalid("The user is not here any more.")
        row.used_at = now
        access = ids.secret(ACCESS)
        refresh = ids.secret(REFRESH) if "refresh_token" in client.grant_types else None
        if refresh is not None:
            session.add(_refresh_row(refresh, grant.id, now))
        expires_at = await self._add_access(session, grant, client, secret=access, scopes=grant.scopes, now=now)
        return _issued(
            grant, user, access=access, refresh=refresh, expires_at=expires_at, scopes=grant.scopes, nonce=row.nonce
        )

    async def _refresh(
        self, session: AsyncSession, client: Client, secret: str, *, scope: str | None, resource: Resource
    ) -> Issued | Refused:
        now = self._clock.now()
        row = await session.scalar(
            select(OAuthRefreshToken).where(OAuthRefreshToken.digest == digest(secret)).with_for_update()
        )
        grant = row and await session.get(OAuthGrant, row.grant_id)
        if row is None or grant is None or grant.application_id != client.id:
            return _invalid("The refresh token is not valid.")
        user = await signed_user(session, grant.user_id)
        if user is None:
            return _invalid("The user is not here any more.")
        if row.replaced_at is not None:
            return await self._again(session, row, grant, user, secret=secret, now=now)
        if row.expires_at <= now:
            return _invalid("The refresh token has expired.")
        if resource not in {UNSET, grant.resource}:
            return _other_resource()
        scopes = grant.scopes if scope is None else narrowed(scope, grant.scopes)
        if scopes is None:
            return Refused("invalid_scope", "A refresh cannot ask for more than was granted.")
        if client.is_self_made and not self._rotate_self_made:
            row.expires_at = now + REFRESH_IDLE
            access, refresh = ids.secret(ACCESS), secret
        else:
            salt = new_salt()
            access, refresh = successor(secret, salt)
            row.replaced_at, row.salt, row.successor_digest = now, salt, digest(refresh)
            session.add(_refresh_row(refresh, grant.id, now))
            await session.execute(  # the successor of that one has arrived
                update(OAuthRefreshToken).where(OAuthRefreshToken.successor_digest == row.digest).values(salt=None)
            )
        expires_at = await self._add_access(session, grant, client, secret=access, scopes=scopes, now=now)
        return _issued(grant, user, access=access, refresh=refresh, expires_at=expires_at, scopes=scopes)

    async def _again(
        self,
        session: AsyncSession,
        row: OAuthRefreshToken,
        grant: OAuthGrant,
        user: SignedUser,
        *,
        secret: str,
        now: datetime,
    ) -> Issued | Refused:
        """A refresh token that was replaced: in the grace time the same pair again, after it everything ends."""
        assert row.replaced_at is not None
        if row.salt is not None and now < row.replaced_at + GRACE:
            access, refresh = successor(secret, row.salt)
            token = await session.scalar(select(OAuthAccessToken).where(OAuthAccessToken.digest == digest(access)))
            if token is not None and token.expires_at > now:
                return _issued(
                    grant, user, access=access, refresh=refresh, expires_at=token.expires_at, scopes=token.scopes
                )
        await session.delete(grant)
        return _invalid("The refresh token was replaced before: everything that was granted is taken back.")

    async def _add_access(
        self,
        session: AsyncSession,
        grant: OAuthGrant,
        client: Client,
        *,
        secret: str,
        scopes: list[str],
        now: datetime,
    ) -> datetime:
        expires_at = now + timedelta(seconds=client.access_seconds)
        session.add(
            OAuthAccessToken(
                id=ids.uuid7(),
                user_id=grant.user_id,
                grant_id=grant.id,
                digest=digest(secret),
                client_name=client.name,
                scopes=scopes,
                scoped_teams=grant.scoped_teams,
                scoped_organizations=grant.scoped_organizations,
                resource=grant.resource,
                created_at=now,
                expires_at=expires_at,
            )
        )
        await session.flush()
        too_old = (
            select(OAuthAccessToken.id)
            .where(OAuthAccessToken.grant_id == grant.id)
            .order_by(OAuthAccessToken.created_at.desc(), OAuthAccessToken.id.desc())
            .offset(ACCESS_TOKENS_MAX)
        )
        await session.execute(delete(OAuthAccessToken).where(OAuthAccessToken.id.in_(too_old)))
        return expires_at


async def _sweep(session: AsyncSession, now: datetime) -> None:
    """Drop grants whose code nobody came for, and those that nothing is left of; and long expired tokens."""
    await session.execute(delete(OAuthAccessToken).where(OAuthAccessToken.expires_at < now - EXPIRED_KEPT))
    await session.execute(delete(OAuthRefreshToken).where(OAuthRefreshToken.expires_at < now))
    over = select(OAuthCode.grant_id).where(OAuthCode.expires_at < now)
    alive = select(OAuthAccessToken.grant_id).where(OAuthAccessToken.grant_id.is_not(None))
    renewable = select(OAuthRefreshToken.grant_id)
    await session.execute(
        delete(OAuthGrant).where(OAuthGrant.id.in_(over), OAuthGrant.id.not_in(alive), OAuthGrant.id.not_in(renewable))
    )


def _refresh_row(secret: str, grant_id: UUID, now: datetime) -> OAuthRefreshToken:
    return OAuthRefreshToken(digest=digest(secret), grant_id=grant_id, created_at=now, expires_at=now + REFRESH_IDLE)


def _issued(
    grant: OAuthGrant,
    user: SignedUser,
    *,
    access: str,
    refresh: str | None,
    expires_at: datetime,
    scopes: list[str],
    nonce: str | None = None,
) -> Issued:
    return Issued(
        access_token=access,
        refresh_token=refresh,
        expires_at=expires_at,
        scopes=scopes,
        scoped_teams=grant.scoped_teams or [],
        scoped_organizations=grant.scoped_organizations or [],
        user=user,
        nonce=nonce,
    )


def _invalid(description: str) -> Refused:
    return Refused("invalid_grant", description)


def _other_resource() -> Refused:
    return Refused("invalid_target", "The resource is not the one that was granted.")
