"""Connect links (gateway §1.10): `{origin}/connect/?session_token=…`, good for one connection, one completion, one hour.

A link's secret is found by its digest. It is also kept sealed, so that `GET /connections/{id}` gives the same link again
while it lives, instead of a new one for every look.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.clock import Clock
from hedgerow.core.crypto import digest
from hedgerow.core.storage.metadata import Metadata
from hedgerow.gateway.models import ConnectionRow, ConnectSession
from hedgerow.gateway.vault import CannotUnseal, Sealed, Vault

LINK_LIVES: Final = timedelta(minutes=60)
SHOWN_AGAIN: Final = timedelta(minutes=15)
"""A link with less time than this is not shown again: a person needs some."""
KEPT_AFTERWARDS: Final = timedelta(days=1)
TOKEN_BYTES: Final = 32
TOKEN_CHARACTERS: Final = 43


class Asked(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the creator of a connection asked for."""

    host: str = ""
    """A name of the app's hosts, `local`, an allowed origin, or "" for no preference."""
    method: str = ""
    scopes: tuple[str, ...] = ()
    access_level: str = ""
    by: str = ""
    """The name of the key or the e-mail of the user who asked, for the page."""
    key: str = ""
    """The first and last characters of the key, if it was one."""


class Link(msgspec.Struct, frozen=True):
    """A link that is open: not completed, not too old."""

    digest: str
    connection: ConnectionRow
    asked: Asked
    return_url: str | None


class Links:
    """Makes links and finds them. One for the process."""

    def __init__(self, metadata: Metadata, vault: Vault, clock: Clock, origin: str) -> None:
        """`origin` is where the connect page is."""
        self._metadata = metadata
        self._vault = vault
        self._clock = clock
        self._origin = origin

    def mint(self, session: AsyncSession, connection_id: UUID, asked: Asked, return_url: str | None = None) -> str:
        """Put a new link into the caller's transaction; its URL."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        name = digest(token)
        sealed = self._vault.seal(_owner(name), 1, token.encode())
        now = self._clock.now()
        session.add(
            ConnectSession(
                digest=name,
                connection_id=connection_id,
                created_at=now,
                expires_at=now + LINK_LIVES,
                completed_at=None,
                return_url=return_url,
                asked={**msgspec.to_builtins(asked), "sealed": _texts(sealed)},
                browser_digest=None,
                state_digest=None,
                state_expires_at=None,
                walk=None,
                walk_data_key=None,
                walk_master_key_id=None,
            )
        )
        return self._url(token)

    async def urls(self, connections: Iterable[ConnectionRow], asked: Asked) -> dict[UUID, str]:
        """A link for each connection: the one that lives, else a new one. Raises `MetadataUnavailable`."""
        wanted = [row.id for row in connections]
        if not wanted:
            return {}
        now = self._clock.now()
        found: dict[UUID, str] = {}
        async with self._metadata.read() as session:
            rows = await session.scalars(
                select(ConnectSession)
                .where(
                    ConnectSession.connection_id.in_(wanted),
                    ConnectSession.completed_at.is_(None),
                    ConnectSession.expires_at > now + SHOWN_AGAIN,
                )
                .order_by(ConnectSession.expires_at)
            )
            for row in rows:
                token = self._unsealed(row)
                if token is not None:
                    found[row.connection_id] = self._url(token)
        missing = [connection_id for connection_id in wanted if connection_id not in found]
        if missing:
            async with self._metadata.write() as session:
                still_there = await session.scalars(select(ConnectionRow.id).where(ConnectionRow.id.in_(missing)))
                for connection_id in still_there:
                    found[connection_id] = self.mint(session, connection_id, asked)
        return found

    async def find(self, token: str) -> Link | None:
        """The open link of a secret; None for one that is unknown, completed or too old. Raises `MetadataUnavailable`."""
        if len(token) != TOKEN_CHARACTERS or not token.isascii():
            return None
        return await self.by_digest(digest(token))

    async def by_digest(self, name: str) -> Link | None:
        """The same, by what is stored of the secret."""
        return await self._found(
            ConnectSession.digest == name,
            ConnectSession.completed_at.is_(None),
            ConnectSession.expires_at > self._clock.now(),
        )

    async def _found(self, *conditions: ColumnElement[bool]) -> Link | None:
        async with self._metadata.read() as session:
            found = (
                await session.execute(
                    select(ConnectSession, ConnectionRow)
                    .join(ConnectionRow, ConnectionRow.id == ConnectSession.connection_id)
                    .where(*conditions)
                )
            ).first()
        if found is None:
            return None
        row, connection = found
        return Link(row.digest, connection, asked_of(row), row.return_url)

    async def completed(self, token: str, browser: str) -> Link | None:
        """The link of a secret that has done its work, with the connection that came of it, for a day.

        Only the browser that did the work is told whose account that is: links stand in chats and mails.
        """
        if len(token) != TOKEN_CHARACTERS or not token.isascii() or not browser:
            return None
        return await self._found(
            ConnectSession.digest == digest(token),
            ConnectSession.completed_at.is_not(None),
            ConnectSession.browser_digest == digest(browser),
        )

    async def recognise(self, name: str) -> str:
        """A new secret for the browser that has completed a link."""
        browser = secrets.token_urlsafe(TOKEN_BYTES)
        async with self._metadata.write() as session:
            await session.execute(
                update(ConnectSession).where(ConnectSession.digest == name).values(browser_digest=digest(browser))
            )
        return browser

    async def of_walk(self, name: str) -> Link | None:
        """The link that a walk began from: it may end a little later than the link does."""
        lately = self._clock.now() - timedelta(minutes=10)
        return await self._found(
            ConnectSession.digest == name, ConnectSession.completed_at.is_(None), ConnectSession.expires_at > lately
        )

    async def complete(self, session: AsyncSession, connection_id: UUID, name: str) -> bool:
        """In the transaction that makes the connection ACTIVE: this link has done its work, and no other one may.

        False if the link is not open any more.
        """
        now = self._clock.now()
        own = await session.scalar(
            update(ConnectSession)
            .where(
                ConnectSession.digest == name,
                ConnectSession.completed_at.is_(None),
                ConnectSession.expires_at > now - timedelta(minutes=10),  # a walk that began in time may end
            )
            .values(completed_at=now)
            .returning(ConnectSession.digest)
        )
        if own is None:
            return False
        await self.close_all(session, connection_id)
        return True

    async def close_all(self, session: AsyncSession, connection_id: UUID) -> None:
        """In the caller's transaction: no link of the connection is open any more."""
        await session.execute(
            update(ConnectSession)
            .where(ConnectSession.connection_id == connection_id)
            .values(
                completed_at=self._clock.now(),
                browser_digest=None,
                state_digest=None,
                walk=None,
                walk_data_key=None,
            )
        )

    async def sweep(self) -> None:
        """Drop links that ended long ago."""
        async with self._metadata.write() as session:
            await session.execute(
                delete(ConnectSession).where(ConnectSession.expires_at < self._clock.now() - KEPT_AFTERWARDS)
            )

    def _unsealed(self, row: ConnectSession) -> str | None:
        try:
            return self._vault.unseal(_owner(row.digest), 1, _sealed(row.asked["sealed"])).decode()
        except (CannotUnseal, KeyError):
            return None

    def _url(self, token: str) -> str:
        return f"{self._origin}/connect/?session_token={token}"


def asked_of(row: ConnectSession) -> Asked:
    """What the creator asked for."""
    return msgspec.convert(row.asked, Asked)


def _owner(name: str) -> str:
    return f"link:{name}"


def _texts(sealed: Sealed) -> list[str]:
    return [
        base64.b64encode(sealed.ciphertext).decode(),
        base64.b64encode(sealed.data_key).decode(),
        sealed.master_key_id,
    ]


def _sealed(texts: Any) -> Sealed:
    ciphertext, data_key, master_key_id = texts
    return Sealed(base64.b64decode(ciphertext), base64.b64decode(data_key), master_key_id)
