"""The SQL tables of the gateway. Keys stand here as SHA-256; credentials of accounts are sealed (`gateway.vault`)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, LargeBinary, String, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow.core.storage.tables import Base, Json, RowId, Timestamp


class GatewayKey(Base):
    """A gateway key `hgk_…` of a user (gateway §1.11). A rotation makes a second row that follows the first."""

    __tablename__ = "gateway_keys"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    prefix: Mapped[str] = mapped_column(String(8))
    """The first 8 characters, to show."""
    suffix: Mapped[str] = mapped_column(String(4))
    """The last 4 characters, to show."""
    policy: Mapped[dict[str, Any]] = mapped_column(Json)
    """What the key may do (gateway §5.1); {} is everything but managing keys and connections of others."""
    pinned_connection_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("gateway_connections.id", ondelete="SET NULL"), index=True
    )
    """The connection that calls with this key use unless they name one (gateway §2.2)."""
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    expires_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """Also the end of the grace time of a key that was rotated away."""
    last_used_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """At most a minute behind; written off the request's way."""
    revoked_at: Mapped[datetime | None] = mapped_column(Timestamp)
    rotated_to: Mapped[UUID | None] = mapped_column(Uuid)
    """The key that took this one's place; this one works until `expires_at`."""


class ConnectionRow(Base):
    """One connected account (gateway §1.3): `posthog.com` by OAuth or a pasted key, or this very server (`LOCAL`)."""

    __tablename__ = "gateway_connections"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    app: Mapped[str] = mapped_column(String(50))
    method: Mapped[str] = mapped_column(String(10))
    """`OAUTH2`, `API_KEY`, `LOCAL`."""
    status: Mapped[str] = mapped_column(String(10))
    """`PENDING`, `ACTIVE`, `FAILED` (gateway §1.4)."""
    reason: Mapped[str | None] = mapped_column(String(40))
    """Machine code of the last failure."""
    name: Mapped[str] = mapped_column(String(100))
    base_url: Mapped[str] = mapped_column(String(500))
    """The origin that calls go to, with a base path of a self-hosted one, without a trailing slash; "" for LOCAL and PENDING."""
    facts: Mapped[dict[str, Any]] = mapped_column("metadata", Json)
    """`metadata` of the wire: region, e-mail, organization, projects, scopes; the caller's own under `custom`."""
    policy: Mapped[dict[str, Any]] = mapped_column(Json)
    """What may be done through it, whatever the key may (gateway §5.1)."""
    enabled: Mapped[bool] = mapped_column(Boolean)
    is_pinned: Mapped[bool] = mapped_column(Boolean)
    """The account's chosen default of this app; without one it is the oldest ACTIVE."""
    created_by_key_id: Mapped[UUID | None] = mapped_column(Uuid)
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    updated_at: Mapped[datetime] = mapped_column(Timestamp)

    # The credential: sealed JSON, e.g. {"access_token": …, "refresh_token": …} or {"api_key": …} (gateway §3.3, §3.6)
    credential: Mapped[bytes | None] = mapped_column(LargeBinary)
    data_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The key that the credential is sealed with, wrapped by the master key."""
    master_key_id: Mapped[str | None] = mapped_column(String(16))
    version: Mapped[int] = mapped_column(Integer)
    """Counts up with every new credential; what is sealed is bound to it."""
    client_id: Mapped[str | None] = mapped_column(Text)
    """The OAuth client that the tokens were given to; refresh and revocation need it."""
    token_url: Mapped[str | None] = mapped_column(String(500))
    """Where the tokens are refreshed."""
    expires_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """When the access token ends; null never."""
    refresh_lease_until: Mapped[datetime | None] = mapped_column(Timestamp)
    refresh_failures: Mapped[int] = mapped_column(Integer)
    next_refresh_at: Mapped[datetime | None] = mapped_column(Timestamp)
    rejected_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """When the account first answered 401 to this credential; null once it answered otherwise."""

    __table_args__ = (
        Index("gateway_connections_by_user", "user_id", "app", "created_at"),
        Index("gateway_connections_by_next_refresh_at", "next_refresh_at"),
    )


class ConnectSession(Base):
    """One connect link (gateway §1.10): the secret of `?session_token=`, and what happened to it."""

    __tablename__ = "gateway_connect_links"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("gateway_connections.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    expires_at: Mapped[datetime] = mapped_column(Timestamp, index=True)
    completed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    return_url: Mapped[str | None] = mapped_column(String(2000))
    asked: Mapped[dict[str, Any]] = mapped_column(Json)
    """What the creator asked for: host, scopes, access level."""

    # The walk through the account's consent page that is under way
    browser_digest: Mapped[str | None] = mapped_column(String(64))
    """Of the cookie that the walk is bound to."""
    state_digest: Mapped[str | None] = mapped_column(String(64), unique=True)
    state_expires_at: Mapped[datetime | None] = mapped_column(Timestamp)
    walk: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Sealed: issuer, client, PKCE verifier, redirect URI."""
    walk_data_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    walk_master_key_id: Mapped[str | None] = mapped_column(String(16))


class UpstreamClient(Base):
    """How this gateway is known to an authorization server (gateway §3.8): one registration an issuer."""

    __tablename__ = "gateway_upstream_clients"

    issuer: Mapped[str] = mapped_column(String(500), primary_key=True)
    redirect_uri: Mapped[str] = mapped_column(String(500), primary_key=True)
    client_id: Mapped[str] = mapped_column(Text)
    secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    secret_data_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    secret_master_key_id: Mapped[str | None] = mapped_column(String(16))
    registered_at: Mapped[datetime] = mapped_column(Timestamp)
    failures: Mapped[int] = mapped_column(Integer)


class AuditEntry(Base):
    """Who created, first used, changed or revoked what. Rows are only ever added."""

    __tablename__ = "gateway_audit"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(Timestamp, index=True)
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    """Whose account it concerns. No foreign key: the entry outlives what it is about."""
    actor_kind: Mapped[str] = mapped_column(String(10))
    """`key`, `user`, `system`."""
    actor_id: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(60))
    """Such as `connection.created`, `key.rotated`."""
    subject_kind: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[str] = mapped_column(String(64))
    details: Mapped[dict[str, Any]] = mapped_column(Json)
    """Never a secret."""

    __table_args__ = (Index("gateway_audit_by_user", "user_id", "id"), {"sqlite_autoincrement": True})


class Usage(Base):
    """What was called in one hour by one key over one connection along one route: sums (gateway §5.2)."""

    __tablename__ = "gateway_usage"

    hour_us: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    key_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    connection_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    """All zeros where none was chosen."""
    route: Mapped[str] = mapped_column(String(200), primary_key=True)
    """Method and path template: `GET /api/projects/{id}/insights/`."""
    user_id: Mapped[int] = mapped_column(BigInteger)
    calls: Mapped[int] = mapped_column(BigInteger)
    refused: Mapped[int] = mapped_column(BigInteger)
    """By the gateway itself."""
    failed: Mapped[int] = mapped_column(BigInteger)
    """Answered 400 or more by the account."""
    bytes_in: Mapped[int] = mapped_column(BigInteger)
    bytes_out: Mapped[int] = mapped_column(BigInteger)
    upstream_us: Mapped[int] = mapped_column(BigInteger)
    gateway_us: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index("gateway_usage_by_user", "user_id", "hour_us"),)


class BudgetCount(Base):
    """How much of a budget is used in its present window (gateway §5.2)."""

    __tablename__ = "gateway_budgets"

    scope: Mapped[str] = mapped_column(String(120), primary_key=True)
    """Such as `key:{id}:queries:day`."""
    window_us: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    """The start of the window."""
    used: Mapped[int] = mapped_column(BigInteger)


class IdempotentCall(Base):
    """A write that was sent with an `Idempotency-Key`, and what came of it; kept for a day (gateway §5.2)."""

    __tablename__ = "gateway_idempotent_calls"

    key_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    connection_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    idempotency_key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_digest: Mapped[str] = mapped_column(String(64))
    """Of method, path, query and body."""
    state: Mapped[str] = mapped_column(String(10))
    """`running`, `done`, `unknown`."""
    status: Mapped[int | None] = mapped_column(Integer)
    headers: Mapped[list[list[str]] | None] = mapped_column(Json)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    expires_at: Mapped[datetime] = mapped_column(Timestamp, index=True)
