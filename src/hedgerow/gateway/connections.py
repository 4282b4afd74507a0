"""The connections of a user as the data plane sees them, and which of them a call uses (gateway §1.4, §2.2)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, cast
from uuid import UUID

import msgspec
from sqlalchemy import select

from hedgerow.core.clock import Clock
from hedgerow.core.storage.metadata import Metadata
from hedgerow.gateway.answers import GatewayError, invalid_request
from hedgerow.gateway.apps import App, Method
from hedgerow.gateway.lookups import Lookups
from hedgerow.gateway.models import ConnectionRow
from hedgerow.gateway.policy import Policy
from hedgerow.gateway.vault import Sealed

if TYPE_CHECKING:
    from hedgerow.gateway.keys import KeyGrant

Status = Literal["PENDING", "ACTIVE", "FAILED"]
STATUSES: tuple[Status, ...] = ("PENDING", "ACTIVE", "FAILED")
ID_CHARACTERS = 36


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a connection for at most 30 seconds."""

    id: UUID
    user_id: int
    app: str
    method: Method
    status: Status
    reason: str | None
    name: str
    base_url: str
    facts: dict[str, Any]
    policy: Policy
    enabled: bool
    is_pinned: bool
    created_at: datetime
    updated_at: datetime
    sealed: Sealed | None
    version: int
    expires_at: datetime | None
    next_refresh_at: datetime | None

    @property
    def is_usable(self) -> bool:
        """Whether calls may go through it."""
        return self.status == "ACTIVE" and self.enabled


class Connections:
    """Finds connections by their owner. One for the process."""

    def __init__(self, metadata: Metadata, clock: Clock, origin: str) -> None:
        """`origin` is the gateway's own: what hints point to."""
        self.has_server = True
        """False when the gateway runs alone: then connections to this very server do not count."""
        self._metadata = metadata
        self._origin = origin
        self._of_user = Lookups(self._load, clock)

    async def of_user(self, user_id: int) -> tuple[Connection, ...]:
        """All connections of the user, oldest first. Raises `MetadataUnavailable`."""
        return self._of_user.known(user_id) or await self._of_user.get(user_id) or ()

    def forget(self) -> None:
        """Drop what is cached. Call it after every write to a connection."""
        self._of_user.forget()

    async def choose(self, app: App, grant: KeyGrant, named: str | None) -> Connection:
        """The connection of a call: the one it names, else the key's, else the account's default, else the oldest ACTIVE.

        `named` is the text of the header. Where a key is limited to some connections, its default is one of these.
        Raises `GatewayError` (400), `MetadataUnavailable`.
        """
        connections = await self.of_user(grant.user_id)
        if not self.has_server:
            connections = tuple(one for one in connections if one.method != "LOCAL")
        if named is not None:
            return self._named(app, connections, named)
        if grant.pinned_connection_id is not None:
            found = next((one for one in connections if one.id == grant.pinned_connection_id), None)
            if found is not None and found.app == app.name:
                return self._usable(found)
        return self._default(app, grant, connections)

    async def choose_local(self, app: App, grant: KeyGrant, named: str | None) -> Connection:
        """The connection to this very server that a call of its own API uses (gateway §2.10). Raises as `choose` does."""
        local = tuple(one for one in await self.of_user(grant.user_id) if one.method == "LOCAL")
        if named is not None:
            return self._named(app, local, named)
        pinned = next((one for one in local if one.id == grant.pinned_connection_id and one.is_usable), None)
        return pinned or self._default(app, grant, local)

    def _default(self, app: App, grant: KeyGrant, connections: tuple[Connection, ...]) -> Connection:
        usable = [one for one in connections if one.app == app.name and one.is_usable]
        if not usable:
            raise self._missing(app)
        allowed = grant.policy.connections
        mine = usable if allowed is None else [one for one in usable if one.id in allowed]
        candidates = mine or usable  # none that is allowed: the policy says so
        return next((one for one in candidates if one.is_pinned), candidates[0])

    def lost(self, connection: Connection) -> GatewayError:
        """400: the account does not take the connection's credential any more."""
        return self._inactive(connection, "FAILED")

    def _named(self, app: App, connections: tuple[Connection, ...], named: str) -> Connection:
        if len(named) > ID_CHARACTERS:
            raise _not_found()
        found = next((one for one in connections if str(one.id) == named), None)
        if found is None:
            raise _not_found()
        if found.app != app.name:
            raise GatewayError(
                400, "connection_wrong_app", f"This connection belongs to the app {found.app}, not to {app.name}."
            )
        return self._usable(found)

    def _usable(self, found: Connection) -> Connection:
        if found.is_usable:
            return found
        raise self._inactive(found, found.status if found.enabled else "disabled")

    def _inactive(self, found: Connection, state: str) -> GatewayError:
        return GatewayError(
            400,
            "connection_not_active",
            f"This connection is not active: it is {state}{f' ({found.reason})' if found.reason else ''}.",
            hint="Open the connect link that GET /connections/{id} gives.",
            more={"url": f"{self._origin}/connections/{found.id}", "status": found.status, "reason": found.reason},
        )

    def _missing(self, app: App) -> GatewayError:
        return GatewayError(
            400,
            "connection_missing",
            f"Missing {app.title} connection",
            hint="Create one, then open its url in a browser.",
            more={"connect": {"method": "POST", "url": f"{self._origin}/connections", "body": {"app": app.name}}},
        )

    async def _load(self, user_id: int) -> tuple[Connection, ...]:
        async with self._metadata.read() as session:
            rows = await session.scalars(
                select(ConnectionRow)
                .where(ConnectionRow.user_id == user_id)
                .order_by(ConnectionRow.created_at, ConnectionRow.id)
            )
            return tuple(connection_of(row) for row in rows)


def _not_found() -> GatewayError:
    return GatewayError(400, "connection_not_found", "No connection with this id.")


def named_connection(values: list[bytes]) -> str | None:
    """What the connection headers of a call say; None if there are none. Raises `GatewayError` if they disagree."""
    if not values:
        return None
    if any(value != values[0] for value in values):
        raise GatewayError(400, "ambiguous_connection", "Two connection headers name different connections.")
    try:
        return values[0].decode("ascii").strip()
    except UnicodeDecodeError:
        raise invalid_request("The connection header holds what is no id.") from None


def connection_of(row: ConnectionRow) -> Connection:
    """What the data plane keeps of a row."""
    sealed = None
    if row.credential is not None and row.data_key is not None:
        sealed = Sealed(row.credential, row.data_key, row.master_key_id or "")
    return Connection(
        id=row.id,
        user_id=row.user_id,
        app=row.app,
        method=cast("Method", row.method),
        status=cast("Status", row.status),
        reason=row.reason,
        name=row.name,
        base_url=row.base_url,
        facts=row.facts,
        policy=Policy.stored(row.policy),
        enabled=row.enabled,
        is_pinned=row.is_pinned,
        created_at=row.created_at,
        updated_at=row.updated_at,
        sealed=sealed,
        version=row.version,
        expires_at=row.expires_at,
        next_refresh_at=row.next_refresh_at,
    )
