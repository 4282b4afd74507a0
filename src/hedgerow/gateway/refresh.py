"""Replacing tokens that end (gateway §3.3-3.5): once, however many calls, tasks and processes ask for it.

In this process one task a connection refreshes, and everybody waits for it. Between processes the row itself is the lock:
whoever writes `refresh_lease_until` holds it, and the new tokens are stored only under that lease and version, before
anybody uses them. A holder that dies leaves a lease that ends; the account answers a token that was rotated moments ago
with the same successor again, so the next holder finds what got lost.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import CursorResult, or_, select, update

from hedgerow.core.clock import Clock
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.storage.metadata import Metadata
from hedgerow.core.telemetry import log
from hedgerow.gateway.ageing import due_at
from hedgerow.gateway.apps import Apps, HostChoice
from hedgerow.gateway.audit import Actor, Subject, audit
from hedgerow.gateway.connections import Connection, connection_of
from hedgerow.gateway.credentials import (
    ConnectionLost,
    CredentialUnavailable,
    Secrets,
    seal_credential,
    unseal_credential,
)
from hedgerow.gateway.lifecycle import Lifecycle
from hedgerow.gateway.models import ConnectionRow
from hedgerow.gateway.oauth_client import TokenEndpoint, TokenRefused, Tokens, TokenUnavailable
from hedgerow.gateway.places import Places
from hedgerow.gateway.vault import Vault

LEASE_SECONDS: Final = 30.0
"""Longer than a token request can take (twice ten seconds), so that only the dead lose their lease."""
LOOK_SECONDS: Final = 0.1
"""Between two looks at a row that another process refreshes."""
BACKOFF_SECONDS_MAX: Final = 300
BREAKS_AFTER: Final = 3
"""So many refusals of the gateway itself in a row, at one host, stop further tries for a while."""
BROKEN_SECONDS: Final = 60.0
ACTOR: Final = Actor("system", "token refresh")


class Refresher:
    """Refreshes. One for the process."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        clock: Clock,
        vault: Vault,
        apps: Apps,
        places: Places,
        lifecycle: Lifecycle,
        tokens: TokenEndpoint,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        """Stand on the parts of the control plane."""
        self._metadata = metadata
        self._clock = clock
        self._vault = vault
        self._apps = apps
        self._places = places
        self._lifecycle = lifecycle
        self._tokens = tokens
        self.lease_seconds = lease_seconds
        self._running: dict[UUID, asyncio.Task[Connection]] = {}
        self._client_refusals: dict[str, tuple[int, float]] = {}
        self.ends: dict[tuple[UUID, int], float] = {}
        """When tokens that this process received end, by connection and version: on the clock that is never set back."""

    async def newer(self, connection: Connection) -> Connection:
        """The connection with a newer credential than that of `connection.version`.

        Raises `CredentialUnavailable`, `ConnectionLost`, `MetadataUnavailable`.
        """
        return await asyncio.shield(self.begin(connection))

    def begin(self, connection: Connection) -> asyncio.Task[Connection]:
        """Start to refresh, or join who does. The task outlives a caller who leaves."""
        task = self._running.get(connection.id)
        if task is None:
            task = asyncio.create_task(
                self._refresh(connection.id, connection.version), name="gateway: refresh of a token"
            )
            self._running[connection.id] = task
            task.add_done_callback(lambda done: self._ended(connection.id, done))
        return task

    def runs(self, connection_id: UUID) -> bool:
        """Whether this process refreshes the connection now."""
        return connection_id in self._running

    async def close(self) -> None:
        """Wait for what runs: a token that was given must be stored."""
        while self._running:
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _ended(self, connection_id: UUID, task: asyncio.Task[Connection]) -> None:
        self._running.pop(connection_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            expected = isinstance(error, CredentialUnavailable | ConnectionLost | MetadataUnavailable)
            log("gateway").warning(
                "not_refreshed", connection=str(connection_id), why=type(error).__name__, exc_info=not expected
            )

    async def _refresh(self, connection_id: UUID, seen: int) -> Connection:
        try:
            async with asyncio.timeout(2 * self.lease_seconds):
                return await self._hold_or_wait(connection_id, seen)
        except TimeoutError:
            raise CredentialUnavailable("Another process refreshes this connection, and does not end.") from None

    async def _hold_or_wait(self, connection_id: UUID, seen: int) -> Connection:
        while True:
            row = await self._row(connection_id)
            if row is None or row.status != "ACTIVE":
                self._lifecycle.note()
                raise ConnectionLost
            if row.version > seen:
                self._lifecycle.note()
                return connection_of(row)
            now = self._clock.now()
            if row.refresh_failures and row.next_refresh_at is not None and now < row.next_refresh_at:
                raise _later(row.next_refresh_at, now)
            secrets = unseal_credential(connection_of(row), self._vault)  # who cannot read it must not take the lease
            lease = now + timedelta(seconds=self.lease_seconds)
            if await self._take_lease(row, now, lease):
                return await self._hold(row, lease, secrets)
            await asyncio.sleep(LOOK_SECONDS)

    async def _row(self, connection_id: UUID) -> ConnectionRow | None:
        async with self._metadata.read() as session:
            return await session.scalar(select(ConnectionRow).where(ConnectionRow.id == connection_id))

    async def _take_lease(self, row: ConnectionRow, now: datetime, until: datetime) -> bool:
        async with self._metadata.write() as session:
            taken = cast(
                "CursorResult[Any]",
                await session.execute(
                    update(ConnectionRow)
                    .where(
                        ConnectionRow.id == row.id,
                        ConnectionRow.version == row.version,
                        ConnectionRow.status == "ACTIVE",
                        or_(
                            ConnectionRow.refresh_lease_until.is_(None),
                            ConnectionRow.refresh_lease_until < now,
                            # a lease that nobody could have taken: the clock of who took it was wrong
                            ConnectionRow.refresh_lease_until > until + timedelta(seconds=self.lease_seconds),
                        ),
                    )
                    .values(refresh_lease_until=until)
                    .execution_options(synchronize_session=False)
                ),
            )
        return taken.rowcount == 1

    async def _hold(self, row: ConnectionRow, lease: datetime, secrets: Secrets) -> Connection:
        """Ask the account, under the lease."""
        if not secrets.refresh_token or row.client_id is None:
            await self._lifecycle.lose(ACTOR, row.id, row.version, "refresh_rejected")
            raise ConnectionLost
        broken, until = self._client_refusals.get(row.base_url, (0, 0.0))
        if broken >= BREAKS_AFTER and self._clock.monotonic() < until:
            await self._put_off(row, lease, int(BROKEN_SECONDS))
            raise CredentialUnavailable("The account's server does not know this gateway.", int(BROKEN_SECONDS))
        received, monotonic = self._clock.now(), self._clock.monotonic()
        try:
            tokens = await self._asked(row, secrets)
        except TokenUnavailable as error:
            wait = self._backoff(row, error)
            await self._put_off(row, lease, wait)
            log("gateway").warning("refresh_put_off", connection=str(row.id), why=str(error), seconds=wait)
            raise CredentialUnavailable("The account's server cannot give a new token at the moment.", wait) from None
        except TokenRefused as error:
            return await self._refused(row, error)
        self._client_refusals.pop(row.base_url, None)
        return await self._store(row, lease, secrets, tokens, received=received, monotonic=monotonic)

    async def _asked(self, row: ConnectionRow, secrets: Secrets) -> Tokens:
        """New tokens for the refresh token; for the one before it where the account has lost track (gateway §3.3.5)."""
        try:
            return await self._tokens_for(row, secrets.refresh_token)
        except TokenRefused as error:
            if error.error != "invalid_grant":
                raise
            present = await self._row(row.id)
            if present is None or present.version != row.version or not secrets.previous_refresh_token:
                raise
            log("gateway").warning("refresh_retried_with_earlier_token", connection=str(row.id))
            return await self._tokens_for(row, secrets.previous_refresh_token)

    async def _tokens_for(self, row: ConnectionRow, refresh_token: str) -> Tokens:
        assert row.client_id is not None
        host, path, elsewhere = self._endpoint(row)
        try:
            return await self._tokens.refresh(host, path, client_id=row.client_id, refresh_token=refresh_token)
        except TokenRefused as error:
            if error.error != "invalid_client" or elsewhere is None:
                raise
            return await self._tokens.refresh(elsewhere, path, client_id=row.client_id, refresh_token=refresh_token)

    def _endpoint(self, row: ConnectionRow) -> tuple[HostChoice | None, str, HostChoice | None]:
        """Where the row's tokens are refreshed: host, path, and the server of all regions, to try next."""
        app = self._apps.get(row.app)
        path = (row.token_url or "").removeprefix(row.base_url)
        if app is None or not path.startswith("/"):
            raise TokenUnavailable("the settings do not know this app any more")
        if row.method == "LOCAL":
            return None, path, None
        host = self._apps.host_of(app, row.base_url)
        if host is None:
            raise TokenUnavailable("the settings do not allow this host any more")
        elsewhere = self._places.authorization_server(app) if host in app.hosts else None
        return host, path, elsewhere if elsewhere is not None and elsewhere.origin != host.origin else None

    async def _store(
        self,
        row: ConnectionRow,
        lease: datetime,
        secrets: Secrets,
        tokens: Tokens,
        *,
        received: datetime,
        monotonic: float,
    ) -> Connection:
        new = Secrets(
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token or secrets.refresh_token,
            previous_refresh_token=secrets.refresh_token if tokens.refresh_token else "",
        )
        async with self._metadata.write() as session:
            present = await session.scalar(select(ConnectionRow).where(ConnectionRow.id == row.id).with_for_update())
            if present is None or present.status != "ACTIVE":
                raise ConnectionLost
            if present.version == row.version and present.refresh_lease_until == lease:
                seal_credential(present, self._vault, new)
                present.expires_at = received + timedelta(seconds=tokens.expires_in)
                present.next_refresh_at = due_at(received, tokens.expires_in)
                present.refresh_lease_until, present.refresh_failures = None, 0
                if tokens.scopes is not None:
                    present.facts = {**present.facts, "scopes": list(tokens.scopes)}
                present.updated_at = max(self._clock.now(), present.updated_at + timedelta(microseconds=1))
                subject = Subject("connection", str(row.id), row.user_id)
                audit(session, ACTOR, "connection.refreshed", clock=self._clock, subject=subject)
            stored = connection_of(present)
        if stored.version == row.version:  # somebody else has the lease now, and will store the same
            raise CredentialUnavailable("Another process refreshes this connection.", 1)
        if len(self.ends) > 10_000:
            self.ends.clear()
        self.ends[stored.id, stored.version] = monotonic + tokens.expires_in
        self._lifecycle.note()
        return stored

    async def _refused(self, row: ConnectionRow, error: TokenRefused) -> Connection:
        """The account said no: somebody may have won meanwhile, else the connection is lost."""
        reason = "client_rejected" if error.is_about_client else "refresh_rejected"
        if error.is_about_client:
            count, _ = self._client_refusals.get(row.base_url, (0, 0.0))
            self._client_refusals[row.base_url] = (count + 1, self._clock.monotonic() + BROKEN_SECONDS)
            log("gateway").error("client_rejected", host=row.base_url, count=count + 1)
        if await self._lifecycle.lose(ACTOR, row.id, row.version, reason):
            raise ConnectionLost
        present = await self._row(row.id)
        if present is None or present.status != "ACTIVE":
            raise ConnectionLost
        self._lifecycle.note()
        return connection_of(present)

    def _backoff(self, row: ConnectionRow, error: TokenUnavailable) -> int:
        wait = min(2**row.refresh_failures, BACKOFF_SECONDS_MAX)
        return min(max(wait, error.retry_after or 0), BACKOFF_SECONDS_MAX)

    async def _put_off(self, row: ConnectionRow, lease: datetime, wait: int) -> None:
        async with self._metadata.write() as session:
            await session.execute(
                update(ConnectionRow)
                .where(
                    ConnectionRow.id == row.id,
                    ConnectionRow.version == row.version,
                    ConnectionRow.refresh_lease_until == lease,
                )
                .values(
                    refresh_lease_until=None,
                    refresh_failures=ConnectionRow.refresh_failures + 1,
                    next_refresh_at=self._clock.now() + timedelta(seconds=wait),
                )
                .execution_options(synchronize_session=False)
            )
        self._lifecycle.note()


def _later(moment: datetime, now: datetime) -> CredentialUnavailable:
    seconds = max(1, min(int((moment - now).total_seconds()) + 1, BACKOFF_SECONDS_MAX))
    return CredentialUnavailable("The account's server gave no new token; the next try is later.", seconds)
