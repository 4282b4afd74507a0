"""What happens to a connection in its life (gateway §1.4): each step one transaction, with its entry in the audit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

import msgspec
from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core import ids
from hedgerow.core.clock import Clock
from hedgerow.core.storage.metadata import Metadata
from hedgerow.gateway.answers import too_many
from hedgerow.gateway.apps import App
from hedgerow.gateway.audit import Actor, Subject, audit
from hedgerow.gateway.connections import Connections
from hedgerow.gateway.credentials import Secrets, seal_credential
from hedgerow.gateway.models import ConnectionRow, ConnectSession
from hedgerow.gateway.sessions import LINK_LIVES, Asked, Links
from hedgerow.gateway.vault import Vault

PENDING_MAX: Final = 20
"""Connections of one key that wait for a person."""
NAME_CHARACTERS_MAX: Final = 100
CONNECTIONS_MAX: Final = 1_000
"""Of one account."""


class Made(msgspec.Struct, frozen=True):
    """A new connection and its connect link."""

    row: ConnectionRow
    url: str


class Grown(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an account gave when it let the gateway in."""

    method: str
    base_url: str
    facts: dict[str, Any]
    secrets: Secrets
    client_id: str | None = None
    token_url: str | None = None
    expires_at: datetime | None = None
    next_refresh_at: datetime | None = None

    def __repr__(self) -> str:
        return f"Grown({self.method}, {self.base_url})"


class Lifecycle:
    """Changes connections. One for the process."""

    def __init__(self, metadata: Metadata, vault: Vault, clock: Clock, connections: Connections, links: Links) -> None:
        """`connections` is told about every change."""
        self._metadata = metadata
        self._vault = vault
        self._clock = clock
        self._connections = connections
        self._links = links
        self._changed = asyncio.Event()

    # Looking

    async def of_user(self, user_id: int) -> list[ConnectionRow]:
        """The account's connections, oldest first. Raises `MetadataUnavailable`."""
        async with self._metadata.read() as session:
            found = select(ConnectionRow).where(ConnectionRow.user_id == user_id)
            return list(await session.scalars(found.order_by(ConnectionRow.created_at, ConnectionRow.id)))

    async def get(self, user_id: int, connection_id: UUID) -> ConnectionRow | None:
        """One connection of the account. Raises `MetadataUnavailable`."""
        async with self._metadata.read() as session:
            row = await session.get(ConnectionRow, connection_id)
        return row if row is not None and row.user_id == user_id else None

    async def change_seen(self, seconds: float) -> None:
        """Return when some connection changed in this process, or after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    # Beginning

    async def create(
        self,
        actor: Actor,
        app: App,
        *,
        user_id: int,
        asked: Asked,
        name: str = "",
        key_id: UUID | None = None,
        return_url: str | None = None,
        custom: dict[str, Any] | None = None,
    ) -> Made:
        """A connection that waits for a person, and the link for them. Raises `GatewayError` 429, `MetadataUnavailable`."""
        now = self._clock.now()
        row = ConnectionRow(
            id=ids.uuid4(),
            user_id=user_id,
            app=app.name,
            method=asked.method or app.methods[0],
            status="PENDING",
            reason=None,
            name=name or app.title,
            base_url="",
            facts={"custom": custom} if custom else {},
            policy={},
            enabled=True,
            is_pinned=False,
            created_by_key_id=key_id,
            created_at=now,
            updated_at=now,
            credential=None,
            data_key=None,
            master_key_id=None,
            version=0,
            client_id=None,
            token_url=None,
            expires_at=None,
            refresh_lease_until=None,
            refresh_failures=0,
            next_refresh_at=None,
            rejected_at=None,
        )
        async with self._metadata.write() as session:
            await self._refuse_too_many(session, user_id, key_id)
            session.add(row)
            await session.flush()
            url = self._links.mint(session, row.id, asked, return_url)
            details = {"app": app.name, "method": row.method}
            audit(session, actor, "connection.created", clock=self._clock, subject=_subject(row), details=details)
        self._note()
        return Made(row, url)

    async def _refuse_too_many(self, session: AsyncSession, user_id: int, key_id: UUID | None) -> None:
        mine = select(func.count()).select_from(ConnectionRow).where(ConnectionRow.user_id == user_id)
        by_key = mine.where(ConnectionRow.status == "PENDING", ConnectionRow.created_by_key_id == key_id)
        if (await session.scalar(by_key) or 0) >= PENDING_MAX:
            text = f"{PENDING_MAX} connections wait to be completed. Complete or delete some."
            raise too_many("too_many_pending", text, 60)
        if (await session.scalar(mine) or 0) >= CONNECTIONS_MAX:
            raise too_many("too_many_connections", f"An account has at most {CONNECTIONS_MAX} connections.", 3600)

    # Growing and failing

    async def activate(self, actor: Actor, connection_id: UUID, grown: Grown, *, link: str | None) -> bool:
        """Make it ACTIVE with a new credential, atomically. `link` is the digest of the link that led here.

        False, and nothing is changed, if the connection is gone or the link was used. Raises `MetadataUnavailable`.
        """
        async with self._metadata.write() as session:
            row = await _locked(session, connection_id)
            if row is None or (link is not None and not await self._links.complete(session, connection_id, link)):
                return False
            was = row.status
            seal_credential(row, self._vault, grown.secrets)
            custom = row.facts.get("custom")
            row.facts = {**grown.facts, **({"custom": custom} if custom else {})}
            row.method, row.base_url, row.status, row.reason = grown.method, grown.base_url, "ACTIVE", None
            row.client_id, row.token_url = grown.client_id, grown.token_url
            row.expires_at, row.next_refresh_at = grown.expires_at, grown.next_refresh_at
            row.refresh_lease_until, row.refresh_failures = None, 0
            if email := grown.facts.get("email"):
                row.name = f"{row.name} {email}"[:NAME_CHARACTERS_MAX] if _is_plain(row) else row.name
            row.updated_at = self._later(row)
            details = {"was": was, "method": row.method, "base_url": row.base_url}
            audit(session, actor, "connection.activated", clock=self._clock, subject=_subject(row), details=details)
        self._note()
        return True

    async def fail(self, actor: Actor, connection_id: UUID, reason: str) -> None:
        """A connection that waited for a person has failed. One that works goes on working (gateway §1.4)."""
        async with self._metadata.write() as session:
            row = await _locked(session, connection_id)
            if row is None or row.status == "ACTIVE" or (row.status == "FAILED" and row.reason == reason):
                return
            row.status, row.reason, row.updated_at = "FAILED", reason, self._later(row)
            details = {"reason": reason}
            audit(session, actor, "connection.failed", clock=self._clock, subject=_subject(row), details=details)
        self._note()

    async def lose(self, actor: Actor, connection_id: UUID, version: int, reason: str) -> bool:
        """The account does not take the credential of that version any more: it is erased. False if there is a newer one."""
        async with self._metadata.write() as session:
            row = await _locked(session, connection_id)
            if row is None or row.version != version or row.status != "ACTIVE":
                return False
            row.status, row.reason, row.updated_at = "FAILED", reason, self._later(row)
            row.credential = row.data_key = row.master_key_id = None
            row.expires_at = row.next_refresh_at = row.refresh_lease_until = None
            details = {"reason": reason, "was": "ACTIVE"}
            audit(session, actor, "connection.failed", clock=self._clock, subject=_subject(row), details=details)
        self._note()
        return True

    async def expire(self) -> int:
        """Links that nobody used in time: their connections have failed. How many."""
        now = self._clock.now()
        open_links = select(ConnectSession.connection_id).where(
            ConnectSession.completed_at.is_(None), ConnectSession.expires_at > now
        )
        overdue = (
            ConnectionRow.status == "PENDING",
            ConnectionRow.created_at < now - LINK_LIVES,
            ConnectionRow.id.not_in(open_links),
        )
        async with self._metadata.read() as session:
            if await session.scalar(select(ConnectionRow.id).where(*overdue).limit(1)) is None:
                return 0
        async with self._metadata.write() as session:
            done = cast(
                "CursorResult[Any]",
                await session.execute(
                    update(ConnectionRow)
                    .where(*overdue)
                    .values(status="FAILED", reason="link_expired", updated_at=now)
                    .execution_options(synchronize_session=False)
                ),
            )
        self._note()
        return done.rowcount

    async def change(
        self, actor: Actor, user_id: int, connection_id: UUID, alter: Callable[[ConnectionRow], dict[str, Any]]
    ) -> ConnectionRow | None:
        """Alter name, policy and the like; `alter` says what for the audit. None if there is no such connection."""
        async with self._metadata.write() as session:
            row = await _locked(session, connection_id)
            if row is None or row.user_id != user_id:
                return None
            details = alter(row)
            if row.is_pinned:
                others = update(ConnectionRow).where(
                    ConnectionRow.user_id == user_id, ConnectionRow.app == row.app, ConnectionRow.id != row.id
                )
                await session.execute(others.values(is_pinned=False).execution_options(synchronize_session=False))
            row.updated_at = self._later(row)
            audit(session, actor, "connection.changed", clock=self._clock, subject=_subject(row), details=details)
        self._note()
        return row

    async def delete(
        self,
        actor: Actor,
        user_id: int,
        connection_id: UUID,
        before: Callable[[AsyncSession, ConnectionRow], Any] | None = None,
    ) -> bool:
        """Erase it and its credential. `before` runs in the same transaction. False if there is no such connection."""
        async with self._metadata.write() as session:
            row = await _locked(session, connection_id)
            if row is None or row.user_id != user_id:
                return False
            details: dict[str, Any] = {"was": row.status, "method": row.method}
            if before is not None:
                details |= await before(session, row)
            audit(session, actor, "connection.deleted", clock=self._clock, subject=_subject(row), details=details)
            await session.delete(row)
        self._note()
        return True

    def _later(self, row: ConnectionRow) -> datetime:
        """Now, but always after the last change: `ETag` and clients compare it."""
        return max(self._clock.now(), row.updated_at + timedelta(microseconds=1))

    def note(self) -> None:
        """A connection was changed elsewhere in this process: caches are dropped, and who waits looks again."""
        self._note()

    def _note(self) -> None:
        self._connections.forget()
        self._changed.set()
        self._changed = asyncio.Event()


async def _locked(session: AsyncSession, connection_id: UUID) -> ConnectionRow | None:
    return await session.scalar(select(ConnectionRow).where(ConnectionRow.id == connection_id).with_for_update())


def _is_plain(row: ConnectionRow) -> bool:
    """Whether nobody has named it: it still bears one word, the app's title."""
    return row.name.lower() == row.app


def _subject(row: ConnectionRow) -> Subject:
    return Subject("connection", str(row.id), row.user_id)
